"""The check after each test that it has left nothing instrumented."""

from __future__ import annotations

import logging
import random
import threading
from typing import TYPE_CHECKING

import dspy
import mlflow.dspy as mlflow_dspy
import pytest
from opentelemetry.sdk.trace import TracerProvider

from otel_dspy import DSPyInstrumentor
from otel_dspy.mlflow import MlflowSpanProcessor, autolog, autologging, flushing
from otel_dspy.mlflow.delivery import worker
from otel_dspy.mlflow.fluent import tracing
from tests.support.blank_store import blank_store
from tests.support.leftovers import nothing_left

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@pytest.fixture(scope="module")
def seeded() -> float:
    """Seed Python's random numbers, as an optimizer of an earlier test does; the first of them."""
    random.seed(9)
    return random.Random(9).random()  # noqa: S311 - no secret


def test_random_numbers_that_were_seeded_before_the_test_are_others_in_it(seeded: float) -> None:
    """Ids of traces are drawn from them, and no two tests may have the same."""
    assert random.random() != seeded  # noqa: S311 - the same


def test_instrumentation_that_is_left_fails_the_test_and_is_removed() -> None:
    """DSPy is not instrumented for the next test."""
    with pytest.raises(AssertionError, match=r"still active after the test: DSPyInstrumentor$"), nothing_left():
        DSPyInstrumentor().instrument(tracer_provider=TracerProvider(shutdown_on_exit=False))
    assert DSPyInstrumentor().tracer_provider is None


def test_autolog_that_is_left_fails_the_test_and_is_disabled(tmp_path: Path) -> None:
    """The same for `autolog`, with its processor."""
    with pytest.raises(AssertionError, match="still active after the test: autolog"), nothing_left():
        autolog(tracking_uri=blank_store(tmp_path))
    assert (autologging._active, DSPyInstrumentor().tracer_provider) == (None, None)


def test_what_disabled_autologging_leaves_replaced_is_restored() -> None:
    """`Evaluate.__call__` is DSPy's own, which MLflow does not restore."""
    own = vars(dspy.Evaluate)["__call__"]
    with nothing_left():
        mlflow_dspy.autolog()
        mlflow_dspy.autolog(disable=True)
        assert vars(dspy.Evaluate)["__call__"] is not own
    assert vars(dspy.Evaluate)["__call__"] is own


def test_processors_are_shut_down_and_what_was_active_before_stays(tmp_path: Path) -> None:
    """A fixture of a module keeps its instrumentation and its processor; those of the test are shut down."""
    before = MlflowSpanProcessor(tracking_uri=blank_store(tmp_path))
    DSPyInstrumentor().instrument(tracer_provider=TracerProvider(shutdown_on_exit=False))
    with nothing_left():
        during = MlflowSpanProcessor(tracking_uri=blank_store(tmp_path))
    assert (before in tracing._sources, during in tracing._sources) == (True, False)
    assert set(flushing._processors) & {before, during} == {before}
    assert DSPyInstrumentor().tracer_provider is not None
    DSPyInstrumentor().uninstrument()


@pytest.fixture(scope="module")
def left() -> Generator[tuple[threading.Event, threading.Thread]]:
    """A thread of otel-dspy's that an earlier test has left, which logs when the event is set."""
    late = threading.Event()

    def log() -> None:
        late.wait(300)
        logging.getLogger("otel_dspy.left").warning("still there")

    thread = threading.Thread(target=log, name="otel-dspy-left")
    thread.start()
    yield late, thread
    late.set()
    thread.join(300)


def test_what_earlier_threads_log_is_not_the_tests(
    left: tuple[threading.Event, threading.Thread], caplog: pytest.LogCaptureFixture
) -> None:
    """Those of a thread that the test has started itself are."""
    late, thread = left
    late.set()
    thread.join(300)
    own = threading.Thread(target=logging.getLogger("otel_dspy.own").warning, args=["mine"], name="otel-dspy-own")
    own.start()
    own.join()
    logging.getLogger("otel_dspy.own").warning("mine too")
    assert caplog.messages == ["mine", "mine too"]


def test_a_compile_that_is_left_open_is_not_continued_by_later_tests() -> None:
    """Their deliveries would look for its runs, and send the traces one by one."""
    assert not worker.left_off.is_set()
    with nothing_left():
        worker.left_off.set()
    assert not worker.left_off.is_set()
