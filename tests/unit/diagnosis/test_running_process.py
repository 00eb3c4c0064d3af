"""`otel_dspy.doctor()`: what only the running process knows."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import mlflow.dspy as mlflow_dspy
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import NoOpTracerProvider

import otel_dspy
import otel_dspy.mlflow
from otel_dspy.diagnosis.checks.running_process import in_effect
from otel_dspy.diagnosis.finding import Level
from otel_dspy.mlflow import autologging
from otel_dspy.mlflow.records.route import Destination, Experiment
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from pathlib import Path

    from otel_dspy.diagnosis.api import Diagnosis


NOT_INSTRUMENTED = (
    "DSPy is not instrumented: nothing is recorded. Call otel_dspy.mlflow.autolog() or DSPyInstrumentor().instrument()"
)
NOT_RECORDING = (
    "DSPy is instrumented with NoOpTracerProvider, which records nothing: set an SDK TracerProvider before instrument()"
)
LIMITS = (
    "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT",
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
    "OTEL_ATTRIBUTE_COUNT_LIMIT",
)


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spool of the test's own."""
    monkeypatch.setenv("OTEL_DSPY_SPOOL_DIR", str(tmp_path / "spool"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # mlflow.set_tracking_uri of an earlier test sets it


def _process(found: Diagnosis) -> list[tuple[Level, str]]:
    return [(finding.level, finding.text) for finding in found.findings if finding.subject == "process"]


def _limits(found: Diagnosis) -> list[str]:
    return [finding.text for finding in found.findings if finding.subject == "limits"]


def test_nothing_is_set_up() -> None:
    """A warning, which is no problem."""
    found = otel_dspy.doctor()
    assert _process(found) == [(Level.WARNING, NOT_INSTRUMENTED)]
    assert found.works


@pytest.mark.parametrize(
    ("provider", "level", "text"),
    [
        (TracerProvider(shutdown_on_exit=False), Level.OK, "DSPy is instrumented"),
        (
            NoOpTracerProvider(),
            Level.PROBLEM,
            NOT_RECORDING,
        ),
    ],
)
def test_instrumented(provider: TracerProvider | NoOpTracerProvider, level: Level, text: str) -> None:
    """With a provider that records, and with one that does not."""
    instrumentor = otel_dspy.DSPyInstrumentor()
    instrumentor.instrument(tracer_provider=provider)
    try:
        found = otel_dspy.doctor()
    finally:
        instrumentor.uninstrument()
    assert (_process(found), found.works) == ([(level, text)], level is Level.OK)


def test_autolog_is_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it records counts, not the environment; with MLflow's own autologging beside it there is a warning."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    uri = blank_store(tmp_path)
    otel_dspy.mlflow.autolog(tracking_uri=uri, experiment="notebook", silent=True)
    try:
        once = otel_dspy.doctor()
        mlflow_dspy.autolog()
        twice = otel_dspy.doctor()
    finally:
        mlflow_dspy.autolog(disable=True)
        otel_dspy.mlflow.autolog(disable=True)
    on = [(Level.OK, "DSPy is instrumented"), (Level.OK, f"autolog records in {uri}, experiment notebook")]
    assert _process(once) == on
    assert f"{uri} is in a writable folder" in {found.text for found in once.findings if found.subject == "mlflow"}
    *others, (level, text) = _process(twice)
    assert (others, level) == (on, Level.WARNING)
    assert text.startswith("MLflow's own DSPy autologging is on too: everything is recorded twice.")


@pytest.mark.parametrize(("workspace", "expected"), [("theirs", "theirs"), (None, "of the environment")])
def test_the_workspace_of_autolog_is_checked(
    workspace: str | None, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Instead of that of the environment, which applies where the code sets none."""
    where = Destination("http://127.0.0.1:9", Experiment(name="notebook"), workspace)
    monkeypatch.setattr(autologging, "destination", lambda: where)
    found = in_effect({"MLFLOW_TRACKING_URI": "http://127.0.0.1:8", "MLFLOW_WORKSPACE": "of the environment"})
    assert found == {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_WORKSPACE": expected}


def test_limits_of_spans_apply_to_a_provider_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The provider that `autolog` creates ignores them; to one that it finds they apply, and before `instrument` they may."""
    for variable in LIMITS:
        monkeypatch.setenv(variable, "8")
    uri = blank_store(tmp_path)
    before = _limits(otel_dspy.doctor())
    otel_dspy.mlflow.autolog(tracking_uri=uri, silent=True)
    try:
        own = _limits(otel_dspy.doctor())
    finally:
        otel_dspy.mlflow.autolog(disable=True)
    instrumentor = otel_dspy.DSPyInstrumentor()
    instrumentor.instrument(tracer_provider=TracerProvider(shutdown_on_exit=False))
    otel_dspy.mlflow.autolog(tracking_uri=uri, silent=True)
    try:
        users = _limits(otel_dspy.doctor())
    finally:
        otel_dspy.mlflow.autolog(disable=True)
        instrumentor.uninstrument()
    assert (len(before), own, users) == (len(LIMITS), [], before)


def test_as_text_json_and_table() -> None:
    """The same findings; text is escaped in the table."""
    found = otel_dspy.Diagnosis(
        {"dspy": "3.4.1", "mlflow": None},
        (*otel_dspy.doctor().findings[:1],),
    )
    (finding,) = found.findings
    assert str(found) == f"dspy 3.4.1\n!! process  {finding.text}"
    assert json.loads(found.json) == {
        "versions": {"dspy": "3.4.1", "mlflow": None},
        "findings": [{"subject": "process", "level": "warning", "text": finding.text}],
    }
    assert found._repr_html_() == (
        "<p>dspy 3.4.1</p><table><tr><td>!!</td><td>process</td>"
        f'<td style="text-align:left">{finding.text}</td></tr></table>'
    )
