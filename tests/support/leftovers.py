"""Check after each test that it has left nothing instrumented, so that no test depends on the ones before it."""

from __future__ import annotations

import os
import random
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from otel_dspy import DSPyInstrumentor

if TYPE_CHECKING:
    from collections.abc import Generator

_VARIABLES = ("MLFLOW_EXPERIMENT_ID", "MLFLOW_TRACKING_URI")
"""Variables that `mlflow.set_experiment` and `mlflow.set_tracking_uri` set, for child processes."""
_WORKER = "otel_dspy.mlflow.delivery.worker"
_GLOBALS = (
    ("mlflow.tracking.fluent", "_active_experiment_id"),
    ("mlflow.tracking._tracking_service.utils", "_tracking_uri"),
)
"""(module, name) of what they set in the process."""


@pytest.fixture(autouse=True)
def nothing_is_left() -> Generator[None]:
    """No test leaves anything active, see `nothing_left`, nor does one begin with random numbers that another has seeded.

    MIPROv2 seeds Python's generator, from which MLflow and OpenTelemetry's SDK draw ids: the traces of two tests would
    have the same, also those of two processes that share a server, and MLflow keeps a trace id once.
    """
    random.seed()
    with nothing_left():
        yield


@contextmanager
def nothing_left() -> Generator[None]:
    """Fail if DSPy is still instrumented or `autolog` active after the block, and undo both.

    Functions that MLflow's autologging replaced, and leaves replaced when it is disabled, are DSPy's own again.
    MLflow span processors that the block has created are shut down: their threads end, MLflow's fluent tracing API is
    restored, and `flush` no longer reports what they have not delivered. MLflow's tracking URI and experiment are again
    those before it. A compile that the block has left open is not continued by later deliveries, which would look for its
    runs. What was active before, such as a module's fixture, stays.

    Raises:
        AssertionError: names what was still active.
    """
    instrumented, active, processors = _state()
    flushed = set(_flushed())
    destination = _mlflows_destination()
    continued = _continues_a_compile()
    yield
    _restore(*destination)
    now_instrumented, now_active, now_processors = _state()
    left: list[str] = []
    if now_active is not None and now_active is not active:
        left.append("autolog")
        _module("otel_dspy.mlflow.autologging").autolog(disable=True)
    if now_instrumented is not None and now_instrumented is not instrumented:
        left.append("DSPyInstrumentor")
        DSPyInstrumentor().uninstrument()
    for processor in now_processors - processors:
        _drained_at_exit().pop(processor, None)
        processor.shutdown(wait=False)
    # Those too that the block has shut down itself, before they had delivered everything.
    _flushed().intersection_update(flushed)
    _revert_disabled_autologging()
    if not continued and _continues_a_compile():
        _module(_WORKER).left_off.clear()
    if left:
        raise AssertionError(f"still active after the test: {', '.join(left)}")


def _mlflows_destination() -> tuple[dict[str, str | None], dict[tuple[str, str], object]]:
    """MLflow's tracking URI and experiment: the variables and the globals, with None for what is not set."""
    return (
        {name: os.environ.get(name) for name in _VARIABLES},
        {(module, name): getattr(_module(module), name, None) for module, name in _GLOBALS},
    )


def _restore(variables: dict[str, str | None], values: dict[tuple[str, str], object]) -> None:
    """Undo `mlflow.set_experiment`, whose experiment is invalid in any other store, and `mlflow.set_tracking_uri`."""
    for name, text in variables.items():
        if text is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = text
    for (module, name), value in values.items():
        if (loaded := _module(module)) is not None:
            setattr(loaded, name, value)


def _state() -> tuple[object, object, set[Any]]:
    """The instrumentation, `autolog`'s state, the MLflow span processors that are not shut down."""
    seen_by_mlflow: set[Any] = set(getattr(_module("otel_dspy.mlflow.fluent.tracing"), "_sources", ()))
    return (
        DSPyInstrumentor()._telemetry,
        getattr(_module("otel_dspy.mlflow.autologging"), "_active", None),
        {*_drained_at_exit(), *seen_by_mlflow},
    )


def _revert_disabled_autologging() -> None:
    """Otherwise a wrapper that a later test puts around such a function also encloses MLflow's."""
    safety = _module("mlflow.utils.autologging_utils.safety")
    for name in list(getattr(safety, "_AUTOLOGGING_PATCHES", ())):
        if _module("mlflow.utils.autologging_utils").autologging_is_disabled(name):
            safety.revert_patches(name)


def _continues_a_compile() -> bool:
    return _WORKER in sys.modules and _module(_WORKER).left_off.is_set()


def _drained_at_exit() -> dict[Any, bool]:
    return getattr(_module("otel_dspy.mlflow.at_exit"), "_gave_up", {})


def _flushed() -> Any:
    nothing: set[Any] = set()
    return getattr(_module("otel_dspy.mlflow.flushing"), "_processors", nothing)


def _module(name: str) -> Any:
    """A module if it was imported: importing MLflow takes seconds."""
    return sys.modules.get(name)
