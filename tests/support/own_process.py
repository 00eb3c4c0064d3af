"""Runner for programs in a separate interpreter, for tests that end or fork a process.

The process of the tests cannot be forked safely: threads of a gRPC server or a database of an earlier test may crash
the child.
"""

from __future__ import annotations

import multiprocessing
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def heed_ctrl_c() -> None:
    """For a child's `preexec_fn`: a shell's background job ignores Ctrl-C and hands that down to every child."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def exit_code(program: Callable[..., None], *arguments: object, patience: float = 180) -> int:
    """Run a function of a module in a fresh interpreter; its exit code, negative for the signal that killed it.

    Args:
        program: imported by its module and name; a failed assertion is exit code 1 with the error on stderr.
        arguments: for the program, pickled.
        patience: seconds.

    Raises:
        TimeoutError: it has not ended by then; it has been killed.
    """
    process = multiprocessing.get_context("spawn").Process(target=program, args=arguments)
    process.start()
    process.join(patience)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise TimeoutError
    return process.exitcode
