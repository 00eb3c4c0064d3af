"""Detection of a Jupyter kernel, without importing IPython."""

from __future__ import annotations

import sys
from typing import Any


def running_shell() -> Any:  # noqa: ANN401 - IPython's InteractiveShell, which is not a dependency
    """Return the shell of the Jupyter kernel that runs this process; None elsewhere, as in IPython's terminal."""
    module: Any = sys.modules.get("IPython")
    shell = None if module is None else module.get_ipython()
    return None if getattr(shell, "kernel", None) is None else shell
