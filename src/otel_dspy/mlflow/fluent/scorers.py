"""Detection of calls that are made by the scorers of `mlflow.genai.evaluate`.

MLflow deletes the traces of its scorers after an evaluation, unless MLFLOW_GENAI_EVAL_ENABLE_SCORER_TRACING is set. It
does not find ours, so none is written: a row keeps one trace, and an `Evaluate` inside of a scorer has no run.
"""

from __future__ import annotations

import importlib
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

from mlflow import environment_variables
from wrapt import register_post_import_hook, wrap_function_wrapper

from otel_dspy.runtime import thread_contexts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_MODULE: Final = "mlflow.genai.scorers.base"
_THREADS: Final = "MlflowGenAIEval"
"""Prefix of the names of MLflow's evaluation threads (3.5 to 3.17); a scorer called by the user runs on another one."""

_scoring: Final[ContextVar[bool]] = ContextVar("otel_dspy_scoring", default=False)
_hooked = False


def watch_scorers() -> None:
    """Wrap `Scorer.run` once in a process, when MLflow's scorers are imported."""
    global _hooked  # noqa: PLW0603 - MLflow's class is one for the process as well
    if not _hooked:
        _hooked = True
        thread_contexts.register(_carried)
        register_post_import_hook(_wrap, _MODULE)


def in_discarded_scorer() -> bool:
    """Whether the caller runs in a scorer of an evaluation whose scorers leave no traces."""
    if not _scoring.get():
        return False
    kept: Any = getattr(environment_variables, "MLFLOW_GENAI_EVAL_ENABLE_SCORER_TRACING", None)
    return kept is None or not kept.get()


def _carried() -> Callable[[], Callable[[], None]] | None:
    """Capture for a thread of DSPy's that the caller runs in a scorer."""
    if not _scoring.get():
        return None

    def attach() -> Callable[[], None]:
        token = _scoring.set(True)
        return lambda: _scoring.reset(token)

    return attach


def _wrap(module: object) -> None:
    if hasattr(getattr(module, "Scorer", None), "run"):
        wrap_function_wrapper(importlib.import_module(_MODULE), "Scorer.run", _run)


def _run(wrapped: Callable[..., Any], _scorer: object, args: Sequence[Any], kwargs: Mapping[str, Any]) -> object:
    if not threading.current_thread().name.startswith(_THREADS):
        return wrapped(*args, **kwargs)
    # MLflow copies the context into the thread that it starts for a scorer with a timeout.
    token = _scoring.set(True)
    try:
        return wrapped(*args, **kwargs)
    finally:
        _scoring.reset(token)
