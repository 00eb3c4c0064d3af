"""Spans with more attributes than the SDK keeps, and with data that cannot be read."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import dspy

from otel_dspy.serialization.programs import ProgramSnapshot
from otel_dspy.telemetry.spans.compile import CompileInfo, close_compile, open_compile
from otel_dspy.telemetry.spans.setup import DatasetInfo, SetupInfo, emit_setup
from otel_dspy.telemetry.spans.trial import close_trial, open_trial
from otel_dspy.telemetry.spans.trial_info import TrialInfo, TrialOutcome
from tests.unit.telemetry.spans.emitted import Emitted

if TYPE_CHECKING:
    import pytest

    from otel_dspy.telemetry.open_scopes import CompileScope

ATTRIBUTE_LIMIT = 128
"""Attributes of a span that the OpenTelemetry SDK keeps by default."""


def _compile(emitted: Emitted) -> CompileScope:
    return open_compile(
        emitted.telemetry,
        CompileInfo(key=1, optimizer_name="Opt", program_name="Solver", metric_name="exact"),
    )


def test_a_trial_with_more_parameters_than_the_sdk_keeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parameters are dropped, the oldest first; the trial's identity, score and program are kept."""
    for name in ("OTEL_ATTRIBUTE_COUNT_LIMIT", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT"):
        monkeypatch.delenv(name, raising=False)
    emitted = Emitted()
    scope = _compile(emitted)
    trial = open_trial(emitted.telemetry, scope)
    info = TrialInfo(parameters={f"p{number}": number for number in range(200)})
    close_trial(emitted.telemetry, trial, info, TrialOutcome(score=50.0, program=ProgramSnapshot("p1", "{}")))
    close_compile(emitted.telemetry, scope, result=None, error=None)
    found = emitted.attributes(2)
    kept: dict[str, Any] = {
        "dspy.operation.name": "trial",
        "dspy.compile.id": scope.id,
        "dspy.optimizer.name": "Opt",
        "dspy.trial.index": 0,
        "dspy.trial.score": 50.0,
        "dspy.program.id": "p1",
    }
    assert len(found) == ATTRIBUTE_LIMIT
    assert {name: found.get(name) for name in kept} == kept
    parameters = [name for name in found if name.startswith("dspy.trial.parameter.")]
    assert parameters[-1] == "dspy.trial.parameter.p199"
    assert "dspy.trial.parameter.p0" not in parameters


class _Unreadable(list[Any]):
    """A dataset whose storage has failed."""

    def __iter__(self) -> Any:
        raise OSError("disk failed")


def test_a_dataset_that_cannot_be_read(caplog: pytest.LogCaptureFixture) -> None:
    """It has no span, and a log line names what was skipped; the setup and the other dataset are recorded."""
    emitted = Emitted()
    scope = _compile(emitted)
    readable = [dspy.Example(q="1+1", a="2").with_inputs("q")]
    datasets = [
        DatasetInfo(role="train", name="trainset", examples=_Unreadable()),
        DatasetInfo(role="validation", name="valset", examples=readable),
    ]
    with caplog.at_level(logging.DEBUG, "otel_dspy"):
        emit_setup(emitted.telemetry, scope, SetupInfo(program=None, parameters={}, lm_model=None, datasets=datasets))
    close_compile(emitted.telemetry, scope, result=None, error=None)
    assert emitted.tree() == [(1, None, "compile Opt"), (2, 1, "setup Opt"), (3, 2, "dataset validation")]
    assert [record.getMessage() for record in caplog.records] == [
        "otel-dspy: a dataset failed and was skipped; the application is not affected"
    ]
