"""Databricks environment of this process, looked up on the program's thread instead of for each request.

MLflow's HTTP client asks its providers of request headers at each request. The one for Databricks imports `dbruntime`
and `pyspark`. An import that fails goes through every finder of `sys.meta_path` while Python's import lock is held,
MLflow's own with its lock included: threads that take these locks in different orders wait for each other. Requests of
deliveries therefore get the headers of an earlier lookup. Other providers of headers are asked at each request.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

import wrapt

from otel_dspy.environment.optional_modules import is_installed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_RUNTIME: Final = "dbruntime"
"""If this module is installed, MLflow's imports succeed, and its lookups are not changed."""
_SOURCES: Final = ("pyspark", "IPython")
"""Without `_RUNTIME`, MLflow finds a Databricks environment by one of these, where the program has loaded it."""
_HEADERS: Final = (
    "mlflow.tracking.request_header.databricks_request_header_provider",
    "DatabricksRequestHeaderProvider",
)
_RUN_CONTEXTS: Final = (
    ("mlflow.tracking.context.databricks_notebook_context", "DatabricksNotebookRunContext"),
    ("mlflow.tracking.context.databricks_job_context", "DatabricksJobRunContext"),
    ("mlflow.tracking.context.databricks_cluster_context", "DatabricksClusterRunContext"),
    ("mlflow.tracking.context.databricks_command_context", "DatabricksCommandRunContext"),
    ("mlflow.tracking.context.databricks_repo_context", "DatabricksRepoRunContext"),
)
"""Providers of a run's tags with the same imports."""


@dataclass(frozen=True, slots=True)
class _Environment:
    """What a lookup has found.

    Attributes:
        headers: request headers; None outside a Databricks environment.
        without_tags: the `_RUN_CONTEXTS` that have no tags in this process.
    """

    headers: Mapping[str, Any] | None
    without_tags: tuple[type, ...]


@dataclass(slots=True)
class _State:
    found: _Environment | None = None
    """The last lookup; None: MLflow looks everything up itself."""
    installed: bool = False


_state: Final = _State()


def look_up(is_delivery: Callable[[], bool]) -> None:
    """Look the environment up for later deliveries; call it on the program's thread.

    Args:
        is_delivery: returns whether the current thread sends a request of a delivery.
    """
    found = None
    # Names that MLflow does not document: if one is missing, or fails, MLflow looks everything up itself.
    with suppress(Exception):
        provider = _imported(*_HEADERS)
        _install(provider, is_delivery)
        found = _environment(provider(), tuple(_imported(*place) for place in _RUN_CONTEXTS))
    _state.found = found


def run_contexts_without_tags() -> list[type]:
    """Return those of MLflow's providers of run tags that have none in this process, as far as the lookup has found."""
    return list(_state.found.without_tags) if _state.found is not None else []


def _environment(provider: Any, run_contexts: tuple[type, ...]) -> _Environment | None:  # noqa: ANN401 - MLflow's
    if _RUNTIME in sys.modules or is_installed(_RUNTIME):
        return None
    if not any(name in sys.modules for name in _SOURCES):
        return _Environment(None, run_contexts)
    headers = dict(provider.request_headers()) if provider.in_context() else None
    return _Environment(headers, tuple(each for each in run_contexts if not cast("Any", each)().in_context()))


def _install(provider: Any, is_delivery: Callable[[], bool]) -> None:  # noqa: ANN401 - a class of MLflow's
    if _state.installed:
        return

    def in_context(wrapped: Callable[[], bool], *_: object) -> bool:
        found = _state.found if is_delivery() else None
        return wrapped() if found is None else found.headers is not None

    def request_headers(wrapped: Callable[[], Mapping[str, Any]], *_: object) -> Mapping[str, Any]:
        found = _state.found if is_delivery() else None
        return wrapped() if found is None else dict(found.headers or {})

    # Both exist before one is replaced.
    wrappers = {
        each.__name__: wrapt.FunctionWrapper(getattr(provider, each.__name__), each)
        for each in (in_context, request_headers)
    }
    for name, wrapper in wrappers.items():
        setattr(provider, name, wrapper)
    _state.installed = True


def _imported(module: str, name: str) -> Any:  # noqa: ANN401 - a class of MLflow's
    return getattr(importlib.import_module(module), name)
