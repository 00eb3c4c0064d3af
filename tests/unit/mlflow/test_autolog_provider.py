"""Sampling under `autolog`: the environment's sampler is that of another backend, unless it samples examples."""

from __future__ import annotations

import logging
from collections import Counter
from typing import TYPE_CHECKING, cast

import dspy
import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_dspy import DSPyInstrumentor
from otel_dspy.mlflow import autolog
from otel_dspy.mlflow.autolog_provider import new_provider
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.blank_store import blank_store
from tests.support.optimizers import Rounds

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.sdk.trace import TracerProvider

NAME = "OTEL_TRACES_SAMPLER"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (NAME, f"{NAME}_ARG", "OTEL_SDK_DISABLED"):
        monkeypatch.delenv(name, raising=False)


def recorded() -> Counter[str]:
    """How many spans of each kind an optimization with two trials of three examples has."""
    exporter, provider = InMemorySpanExporter(), new_provider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    DSPyInstrumentor().instrument(tracer_provider=provider)
    try:
        with dspy.context(lm=addition_lm()):
            Rounds(exact, rounds=2).compile(dspy.Predict("question -> answer"), trainset=examples(3))
        provider.force_flush()
    finally:
        DSPyInstrumentor().uninstrument()
        provider.shutdown()
    return Counter(span.name.split(" ")[0] for span in exporter.get_finished_spans())


@pytest.mark.parametrize("sampler", ["always_off", "traceidratio", "parentbased_traceidratio", "another"])
def test_a_sampler_for_another_backend_drops_nothing(
    sampler: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An optimization is whole; a line of the log has the reason."""
    caplog.set_level(logging.INFO)
    every = recorded()
    assert (every["compile"], every["trial"], every["example"]) == (1, 2, 6)
    monkeypatch.setenv(NAME, sampler)
    monkeypatch.setenv(f"{NAME}_ARG", "0")
    assert recorded() == every
    assert [record.getMessage() for record in caplog.records if NAME in record.getMessage()] == [
        f"{NAME}={sampler} does not apply to MLflow, where all traces are recorded"
    ]


def test_autolog_records_what_the_environment_would_drop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own provider is such a provider."""
    monkeypatch.setenv(NAME, "always_off")
    autolog(tracking_uri=blank_store(tmp_path), silent=True)
    try:
        provider = cast("TracerProvider", DSPyInstrumentor().tracer_provider)
        span = provider.get_tracer("test").start_span("not otel-dspy's")
        assert span.is_recording()
        span.end()
    finally:
        autolog(disable=True)


def test_the_sampler_of_examples_drops_a_share_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The trials and their evaluations are kept."""
    every = recorded()
    monkeypatch.setenv(NAME, "otel_dspy_examples")
    monkeypatch.setenv(f"{NAME}_ARG", "0")
    kept = recorded()
    assert (kept["example"], kept["module"], kept["chat"]) == (0, 0, 0)
    assert (kept["compile"], kept["trial"], kept["evaluate"]) == (1, 2, every["evaluate"])


def test_without_a_ratio_or_with_an_invalid_one_all_examples_are_recorded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A warning names the variable, the value and what it should be."""
    every = recorded()
    monkeypatch.setenv(NAME, "otel_dspy_examples")
    assert recorded() == every
    assert not [record for record in caplog.records if NAME in record.getMessage()]
    monkeypatch.setenv(f"{NAME}_ARG", "ten percent")
    assert recorded() == every
    [message] = [record.getMessage() for record in caplog.records if NAME in record.getMessage()]
    assert message == (
        f"All examples are recorded in MLflow: {NAME}_ARG for otel_dspy_examples must be a number from 0 to 1, not "
        "'ten percent'"
    )


def test_a_disabled_sdk_is_a_warning(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """`autolog` was called, and records nothing."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", " True")
    assert not recorded()
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "OTEL_SDK_DISABLED=true switches OpenTelemetry off: nothing is recorded in MLflow. Unset the variable"
    ]
