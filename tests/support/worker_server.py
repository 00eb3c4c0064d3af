"""Forks pytest-xdist's workers from one process that has imported all test modules, since each would take a dozen seconds for it.

python -m tests.support.worker_server SOCKET TESTS…

Collecting the tests is then a matter of a second or two, as pytest finds their modules imported. Only conftests are read
again in each worker: they change its environment and make what no two processes may share. See
`tests.support.forked_workers` for the other side.
"""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.fork_server import become, preload, run_to_the_end, serve

if TYPE_CHECKING:
    from collections.abc import Sequence

# -s: imported modules must not keep the streams of a capture that has ended.
_OPTIONS = ["--collect-only", "-qq", "-s", "-p", "no:cacheprovider", "-p", "no:xdist", "--inline-snapshot=disable"]


class _Unimported:
    """Lets pytest import files only, and knows those whose import failed, or skipped the module."""

    def __init__(self) -> None:
        self._root = Path()
        self._files: set[str] = set()

    def pytest_configure(self, config: pytest.Config) -> None:
        """Keep the root folder, which node ids are relative to."""
        self._root = config.rootpath

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makeitem(self) -> list[pytest.Item]:
        """Make nothing of what is in a module: each worker does."""
        return []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Record a file whose collection failed or was skipped."""
        if not report.passed:
            self._files.add(str(self._root / report.nodeid.partition("::")[0]))

    def forget(self) -> None:
        """Remove these modules, which pytest leaves in `sys.modules`, so that the workers import and report them."""
        for name, module in list(sys.modules.items()):
            if getattr(module, "__file__", None) in self._files:
                del sys.modules[name]


def import_tests(tests: Sequence[str]) -> None:
    """Import the modules of the tests; those whose import fails, or skips the module, are left to the workers."""
    unimported = _Unimported()
    pytest.main([*_OPTIONS, *tests], plugins=[unimported])
    unimported.forget()


def read_constants() -> None:
    """Let Hypothesis read the constants in all of our modules, which it tries as inputs: each worker would read them."""
    from hypothesis import given, settings  # noqa: PLC0415 - pytest would warn that its plugin cannot be rewritten
    from hypothesis import strategies as st  # noqa: PLC0415 - the same

    @settings(max_examples=20, database=None, deadline=None)
    @given(st.integers())
    def drawn(number: int) -> None:
        del number

    drawn()


def serve_workers(address: str, tests: Sequence[str]) -> dict[str, Any]:
    """Import the modules of the tests and fork for each request; return in the fork, with the request."""
    import_tests(tests)
    preload()
    read_constants()
    sys.stdout.flush()  # or each worker would have a copy of what is left in the buffer
    gc.collect()
    gc.freeze()
    request = serve(address)
    gc.disable()
    for name in [name for name in sys.modules if name.startswith("tests.") and name.endswith(".conftest")]:
        del sys.modules[name]
    return request


if __name__ == "__main__":
    this = sys.modules["__main__"]  # or its names would be gone when another takes its place
    worker = serve_workers(sys.argv[1], sys.argv[2:])
    become(worker)
    run_to_the_end(worker)
