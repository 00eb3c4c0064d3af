"""MLflow's errors which mean that there is nothing to do: the run is deleted already, the tag does not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlflow.exceptions import MlflowException

if TYPE_CHECKING:
    from types import TracebackType


class IgnoredError:
    """A context that ends at an `MlflowException` with one error code, and passes on every other exception."""

    def __init__(self, code: str) -> None:
        self._code = code

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> bool:
        """Return whether the block's exception has the code."""
        return isinstance(error, MlflowException) and error.error_code == self._code
