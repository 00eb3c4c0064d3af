"""`optimization_summary.json`, whole."""

from __future__ import annotations

import json
from typing import Any

import pytest

from otel_dspy.mlflow.mapping.artifacts.summary import summary_json
from otel_dspy.mlflow.mapping.compile_aggregator import EndedCompile
from otel_dspy.mlflow.records import decode
from otel_dspy.mlflow.records.span_records import CompileRecord, PhaseRecord, TrialRecord
from tests.support.mapped_spans import CID, IDENTITY, span

DONE: dict[str, Any] = {
    **IDENTITY,
    "dspy.metric.name": "exact",
    "dspy.program.id": "p",
    "dspy.optimizer.parameter.auto": "light",
    "dspy.compile.initial_score": 40.0,
    "dspy.compile.best_score": 70.0,
    "dspy.compile.best_trial.index": 0,
    "dspy.trial.score.unit": "percent",
    "dspy.usage.input_tokens": 10,
    "dspy.usage.output_tokens": 20,
    "dspy.usage.lm_calls": 3,
    "dspy.usage.cache_hits": 1,
    "dspy.usage.cost": 0.5,
    "dspy.usage.unpriced_calls": 1,
    "dspy.usage.embedding_calls": 4,
    "dspy.usage.late_calls": 2,
    "dspy.usage.role.task.lm_calls": 3,
    "dspy.usage.model.gpt.lm_calls": 3,
    "error.type": "ValueError",
}
TRIAL: dict[str, Any] = {
    "dspy.compile.id": CID,
    "dspy.trial.index": 0,
    "dspy.trial.label": "baseline",
    "dspy.trial.kind": "candidate",
    "dspy.trial.scope": "full",
    "dspy.trial.score": 70.0,
    "dspy.trial.score.unit": "percent",
    "dspy.trial.state": "complete",
    "dspy.trial.parameter.instruction": "Größe?",
    "dspy.trial.reason": "first",
    "dspy.trial.measure.loss": 0.25,
    "dspy.program.id": "p",
    "error.type": "KeyError",
}
NOTHING_USED = {
    "input_tokens": None, "output_tokens": None, "lm_calls": None, "cache_hits": None, "cost": None
}  # fmt: skip


def _summary(done: dict[str, Any], *trials: dict[str, Any], phases: tuple[PhaseRecord, ...] = ()) -> str:
    ended = decode.record_of(span("compile", done, end_ns=3_500_000_000))
    assert isinstance(ended, CompileRecord)
    found = [decode.record_of(span("trial", trial, end_ns=1_250_000_000)) for trial in trials]
    return summary_json(EndedCompile(ended, tuple(trial for trial in found if isinstance(trial, TrialRecord)), phases))


def test_all_that_a_summary_contains() -> None:
    """Identity, scores, usage, and each trial with its own; durations in seconds."""
    assert json.loads(_summary(DONE, TRIAL)) == {
        "optimizer": "MIPROv2",
        "program": "Solver",
        "metric": "exact",
        "parameters": {"auto": "light"},
        "initial_score": 40.0,
        "best_score": 70.0,
        "score_unit": "percent",
        "best_trial": 0,
        "program_id": "p",
        "error": "ValueError",
        "duration": 2.5,
        "usage": {
            "input_tokens": 10,
            "output_tokens": 20,
            "lm_calls": 3,
            "cache_hits": 1,
            "cost": 0.5,
            "unpriced_calls": 1,
            "embedding_calls": 4,
            "late_calls": 2,
            "by_role": {"task": {**NOTHING_USED, "lm_calls": 3}},
            "by_model": {"gpt": {"input_tokens": None, "output_tokens": None, "lm_calls": 3, "cost": None}},
        },
        "trials": [
            {
                "index": 0,
                "label": "baseline",
                "kind": "candidate",
                "scope": "full",
                "score": 70.0,
                "unit": "percent",
                "state": "complete",
                "parameters": {"instruction": "Größe?"},
                "reason": "first",
                "measures": {"loss": 0.25},
                "program_id": "p",
                "error": "KeyError",
                "started": 0.0,
                "duration": 0.25,
                "usage": NOTHING_USED,
            }
        ],
    }


def test_a_summary_of_which_little_is_known() -> None:
    """What was not recorded is null; reasons, measures and parts of the usage are absent where there are none."""
    found = json.loads(_summary(IDENTITY, {"dspy.compile.id": CID, "dspy.trial.index": 1}))
    (trial,) = found.pop("trials")
    assert found == {
        "optimizer": "MIPROv2",
        "program": "Solver",
        "metric": None,
        "parameters": {},
        "initial_score": None,
        "best_score": None,
        "score_unit": None,
        "best_trial": None,
        "program_id": None,
        "error": None,
        "duration": 2.5,
        "usage": NOTHING_USED,
    }
    assert trial == {
        "index": 1,
        "label": None,
        "kind": None,
        "scope": None,
        "score": None,
        "unit": None,
        "state": None,
        "parameters": {},
        "program_id": None,
        "error": None,
        "started": 0.0,
        "duration": 0.25,
        "usage": NOTHING_USED,
    }


@pytest.mark.parametrize(("count", "missing"), [(None, None), (1, None), (3, 2)])
def test_trials_whose_spans_were_not_received(count: int | None, missing: int | None) -> None:
    """A sampler, or a filter of a Collector, drops spans named `trial`; the compile's span has their number."""
    counted = {} if count is None else {"dspy.compile.trial.count": count}
    assert json.loads(_summary({**DONE, **counted}, TRIAL)).get("missing_trials") == missing


def test_when_a_trial_started() -> None:
    """In seconds after the start of the compile."""
    ended = decode.record_of(span("compile", IDENTITY))
    trial = decode.record_of(span("trial", {"dspy.compile.id": CID, "dspy.trial.index": 0}, start_ns=1_250_000_000))
    assert isinstance(ended, CompileRecord)
    assert isinstance(trial, TrialRecord)
    (found,) = json.loads(summary_json(EndedCompile(ended, (trial,))))["trials"]
    assert (found["started"], found["duration"]) == (0.25, 1.75)


def test_phases() -> None:
    """By their start, with times in seconds after that of the compile."""
    phase = decode.record_of(
        span("phase", {"dspy.compile.id": CID, "dspy.phase.name": "propose"}, end_ns=2_000_000_000)
    )
    assert isinstance(phase, PhaseRecord)
    found = json.loads(_summary(IDENTITY, phases=(phase,)))
    assert found["phases"] == [{"name": "propose", "started": 0.0, "duration": 1.0}]


def test_a_summary_reads_well() -> None:
    """Indented by two, in the characters of its texts, with null for a number that JSON does not support."""
    lines = _summary({**IDENTITY, "dspy.compile.best_score": float("inf")}, TRIAL).splitlines()
    assert lines[:6] == [
        "{",
        '  "optimizer": "MIPROv2",',
        '  "program": "Solver",',
        '  "metric": null,',
        '  "parameters": {},',
        '  "initial_score": null,',
    ]
    assert lines[6] == '  "best_score": null,'
    assert '        "instruction": "Größe?"' in lines


def test_numbers_in_parameters_that_json_does_not_support() -> None:
    """They are null too."""
    weights = {"dspy.optimizer.parameter.weights": (0.5, float("nan"))}
    assert json.loads(_summary({**IDENTITY, **weights}))["parameters"] == {"weights": [0.5, None]}
