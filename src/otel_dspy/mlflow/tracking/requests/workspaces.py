"""MLflow workspaces: the active one, and a context manager that selects one.

A server started with `--enable-workspaces` separates experiments by the workspace that each request names. MLflow's
client sends the one of `mlflow.set_workspace`: a context variable of the thread, else the environment variable
MLFLOW_WORKSPACE, which `set_workspace` writes too. A delivery thread therefore sees the value that the program set
last.
"""

from __future__ import annotations

import importlib
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, cast

from mlflow import __version__ as mlflow_version

if TYPE_CHECKING:
    from collections.abc import Generator

DEFAULT: Final = "default"
"""The workspace of requests that name none."""
VARIABLE: Final = "MLFLOW_WORKSPACE"
_MODULE: Final = "mlflow.utils.workspace_context"
_ACTIVE: Final = "get_request_workspace"
_OF_THREAD: Final = "_WORKSPACE"
"""The context variable. MLflow's public setters also write the environment variable, which belongs to the user."""


class NoWorkspacesError(RuntimeError):
    """The installed MLflow does not support workspaces, and one is required."""


def _context() -> Any:  # noqa: ANN401 - a module
    try:
        found = importlib.import_module(_MODULE)
    except ImportError:
        return None
    return found if all(hasattr(found, name) for name in (_ACTIVE, _OF_THREAD, VARIABLE)) else None


_mlflow: Final[Any] = _context()
_selected: Final[ContextVar[bool]] = ContextVar("otel_dspy_workspace_selected", default=False)
"""Whether `selected` overrides the environment variable in this context."""


def active() -> str | None:
    """Return the workspace of MLflow calls in this context: a name, or `""` if none is set.

    None if the installed MLflow does not support workspaces. Cheap: sends no request.
    """
    if _mlflow is None:
        return None
    return cast("str | None", getattr(_mlflow, _ACTIVE)()) or ""


def same(one: str | None, other: str | None) -> bool:
    """Whether two workspaces are the same; an unset one is the default one."""
    return (one or DEFAULT) == (other or DEFAULT)


@contextmanager
def selected(workspace: str | None) -> Generator[None]:
    """Send MLflow's requests in this context to a workspace. Other threads and the environment are not changed.

    Args:
        workspace: a name; `""` for requests that name none; None to leave the choice to MLflow.

    Raises:
        NoWorkspacesError: the installed MLflow does not support workspaces, and a name is given.
    """
    if workspace and _mlflow is None:
        raise NoWorkspacesError(
            f"MLflow {mlflow_version} does not support workspaces: it cannot write to workspace {workspace!r}"
        )
    if workspace is None or _mlflow is None:
        yield
        return
    _mask_environment()
    of_thread: ContextVar[str | None] = getattr(_mlflow, _OF_THREAD)
    name, decides = of_thread.set(workspace or None), _selected.set(True)
    try:
        yield
    finally:
        _selected.reset(decides)
        of_thread.reset(name)


class _Masked:
    """MLflow's MLFLOW_WORKSPACE variable, without a value within `selected`."""

    def __init__(self, variable: Any) -> None:  # noqa: ANN401 - a class of MLflow's
        self._variable = variable

    def __getattr__(self, name: str) -> object:
        return getattr(self._variable, name)

    def get(self) -> str | None:
        """The variable's value."""
        return None if _selected.get() else self._variable.get()


def _mask_environment() -> None:
    variable = getattr(_mlflow, VARIABLE)
    if not isinstance(variable, _Masked):
        setattr(_mlflow, VARIABLE, _Masked(variable))
