"""Trials and ends of compiles, in any order, and the summaries that they give."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from otel_dspy.mlflow.mapping import compile_aggregator
from otel_dspy.mlflow.mapping.compile_aggregator import MAX_ENDED, MAX_PHASES, CompileAggregator
from otel_dspy.mlflow.mapping.operations import LogMetrics, LogReport, LogText
from otel_dspy.mlflow.mapping.run_keys import CompileRun, TrialRun
from otel_dspy.mlflow.records import decode
from otel_dspy.mlflow.records.route import Options
from otel_dspy.mlflow.records.span_records import CompileRecord
from tests.support.mapped_spans import CID, IDENTITY, mapped, span

if TYPE_CHECKING:
    import pytest

RUN = CompileRun(CID)


def _trial(index: int, **attributes: Any) -> Any:
    given: dict[str, Any] = {"dspy.compile.id": CID, "dspy.trial.index": index}
    given |= {name.replace("__", "."): value for name, value in attributes.items()}
    return span("trial", given, span_id=f"t{index}")


def _aggregator_with(*spans: Any) -> tuple[CompileAggregator, list[Any]]:
    aggregator = CompileAggregator()
    return aggregator, [aggregator.add(decode.record_of(found)) for found in spans]


def test_a_trial_after_the_end_writes_the_summary_again() -> None:
    """Under another key, with the trials in the order of their indices; a trial without a run is one of the summary."""
    done = span("compile", {**IDENTITY, "dspy.compile.best_trial.index": 0}, span_id="c")
    late = _trial(0)
    _, (first, ended, again) = _aggregator_with(_trial(1, dspy__trial__is_best=True), done, late)
    assert first is None
    assert [len(found.trials) for found in (ended, again)] == [1, 2]
    *_, summary, report, best, other = mapped(late, ended=again)
    assert report == LogReport(key="c/report/2", run=RUN)
    assert summary.key == "c/summary/2"
    assert isinstance(summary, LogText)
    assert [trial["index"] for trial in json.loads(summary.text)["trials"]] == [0, 1]
    assert [best, other] == [
        LogMetrics(key="t0/best", run=TrialRun(CID, 0, RUN), tags={"dspy.trial.is_best": "true"}),
        LogMetrics(key="t1/best", run=TrialRun(CID, 1, RUN), tags={"dspy.trial.is_best": "false"}),
    ]
    only_trials = Options(log_traces=False, log_compiles=False)
    assert [operation.key for operation in mapped(late, options=only_trials, ended=again)] == [
        "t0/run",
        "t0/end",
        "t0/best",
        "t1/best",
    ]
    assert mapped(late, options=Options(log_traces=False, log_compiles=False, log_evals=False), ended=again) == []


def test_what_the_aggregator_keeps_is_small() -> None:
    """Of trials and compiles: names, scores, usage. No states, texts, tables or attributes, which can be megabytes."""
    large: dict[str, Any] = {
        "dspy.trial.score": 50.0,
        "dspy.program.id": "p",
        "dspy.program.state": "{}",
        "dspy.trial.candidate": "{}",
        "dspy.trial.scores": "[]",
        "dspy.trial.pareto.front": "[]",
    }
    trial = span("trial", {"dspy.compile.id": CID, "dspy.trial.index": 0, **large})
    result = {"dspy.program.id": "p", "dspy.program.state": "{}"}
    done = span("compile", {**IDENTITY, **result})
    _, (_, ended) = _aggregator_with(trial, done)
    (kept,) = ended.trials
    assert (kept.score, kept.program_id, kept.span.end_ms) == (50.0, "p", 3000)
    assert (kept.program_state, kept.candidate, kept.scores, kept.pareto_front) == (None, None, None, None)
    assert kept.span == replace(trial, attributes={})
    found = decode.record_of(done)
    assert isinstance(found, CompileRecord)
    assert ended.done == replace(found, program_state=None, span=replace(found.span, attributes={}))


def _add(aggregator: CompileAggregator, operation: str, number: int, trial: int = 0) -> Any:
    named = {**IDENTITY, "dspy.compile.id": f"c{number}", "dspy.trial.index": trial}
    return aggregator.add(decode.record_of(span(operation, named)))


def test_the_aggregator_forgets_the_oldest_compile() -> None:
    """Of 65 ended compiles the first is unknown, with its trials; a trial that comes for it then waits for an end."""
    aggregator = CompileAggregator()
    for number in range(MAX_ENDED):
        _add(aggregator, "trial", number)
        assert len(_add(aggregator, "compile", number).trials) == 1
    assert len(_add(aggregator, "compile", 0).trials) == 1
    _add(aggregator, "compile", MAX_ENDED)
    assert _add(aggregator, "trial", 0, 7) is None
    assert len(_add(aggregator, "trial", 1).trials) == 1
    assert [trial.index for trial in _add(aggregator, "compile", 0).trials] == [7]


def test_compiles_without_trials_are_forgotten_too() -> None:
    """Each end gives a summary without trials; a span of another kind gives none."""
    aggregator = CompileAggregator()
    assert [_add(aggregator, "compile", number).trials for number in range(MAX_ENDED + 2)] == [()] * (MAX_ENDED + 2)
    assert aggregator.add(decode.record_of(span("module", {}))) is None


def _phase(name: str, start: int, compile_id: str | None = CID, **attributes: Any) -> Any:
    """A phase that started so many milliseconds after the epoch."""
    place = {} if compile_id is None else {"dspy.compile.id": compile_id}
    return span("phase", {**place, "dspy.phase.name": name, **attributes}, span_id=name, start_ns=start * 1_000_000)


def test_phases_of_a_compile() -> None:
    """By their start, each once, in any order of arrival; without texts and attributes, which can be megabytes."""
    texts = {"dspy.phase.instructions": "{}", "dspy.phase.demos": "{}"}
    second, first = _phase("second", 20, **texts), _phase("first", 10, **texts)
    done = span("compile", IDENTITY)
    elsewhere = _phase("elsewhere", 0, "other")
    aggregator, found = _aggregator_with(second, first, second, elsewhere, _phase("outside", 0, None), done)
    assert found[:-1] == [None] * 5
    assert [(phase.name, phase.instructions, phase.demos, phase.span) for phase in found[-1].phases] == [
        ("first", None, None, replace(first, attributes={})),
        ("second", None, None, replace(second, attributes={})),
    ]
    assert aggregator.add(decode.record_of(_phase("late", 30))) is None
    again = aggregator.add(decode.record_of(done))
    assert again is not None
    assert [phase.name for phase in again.phases] == ["first", "second", "late"]


def test_the_first_thousand_phases_are_kept() -> None:
    """Some optimizers have several in each trial."""
    aggregator, _ = _aggregator_with(*(_phase(f"p{number}", number) for number in range(MAX_PHASES + 2)))
    ended = aggregator.add(decode.record_of(span("compile", IDENTITY)))
    assert ended is not None
    assert (len(ended.phases), ended.phases[-1].name) == (1000, "p999")


def test_the_phases_of_a_forgotten_compile_are_forgotten() -> None:
    """As its trials are."""
    aggregator, _ = _aggregator_with(_phase("first", 10), span("compile", IDENTITY))
    for number in range(MAX_ENDED):
        _add(aggregator, "compile", number)
    again = aggregator.add(decode.record_of(span("compile", IDENTITY)))
    assert again is not None
    assert again.phases == ()


def test_compiles_whose_end_never_comes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their programs were killed: trials and phases of the latest alone are kept."""
    monkeypatch.setattr(compile_aggregator, "MAX_OPEN", 3)
    aggregator = CompileAggregator()
    for number in range(5):
        _add(aggregator, "trial", number)
        aggregator.add(decode.record_of(_phase("first", 10, f"c{number}")))
    ended = [_add(aggregator, "compile", number) for number in range(5)]
    assert [(len(found.trials), len(found.phases)) for found in ended] == [(0, 0)] * 2 + [(1, 1)] * 3
