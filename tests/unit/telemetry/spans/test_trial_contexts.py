"""Contexts of compiles and trials, selection of the best trial, durations and secrets of their spans."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any
from unittest import mock

import pytest
from opentelemetry.context import Context, get_current, set_value
from opentelemetry.trace import get_current_span, set_span_in_context

from otel_dspy.serialization.programs import ProgramSnapshot
from otel_dspy.telemetry.call_context import CallContext, call_context_in, with_call_context
from otel_dspy.telemetry.spans.compile import CompileInfo, close_compile, open_compile
from otel_dspy.telemetry.spans.evaluate import EvaluateInfo, EvaluateOutcome, close_evaluate, open_evaluate
from otel_dspy.telemetry.spans.example import open_example
from otel_dspy.telemetry.spans.example_result import ExampleOutcome, close_example
from otel_dspy.telemetry.spans.setup import SetupInfo, emit_setup
from otel_dspy.telemetry.spans.trial import close_trial, open_trial
from otel_dspy.telemetry.spans.trial_info import Scope, TrialInfo, TrialKind, TrialOutcome
from otel_dspy.telemetry.tallies.leaderboard import Entry, greatest
from otel_dspy.telemetry.tallies.usage_tally import CallUsage, UsageTally
from tests.unit.telemetry.spans.emitted import Emitted, current, identity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.trace import Span

    from otel_dspy.telemetry.open_scopes import CompileScope
    from otel_dspy.telemetry.tallies.lm_roles import Role

KEY = "sk-proj-Ab3dEf6hIj9kLm2nOp5q"


def _compile(emitted: Emitted, **info: Any) -> CompileScope:
    given: dict[str, Any] = {"key": 1, "optimizer_name": "Opt", "program_name": "Solver", "metric_name": "exact"}
    return open_compile(emitted.telemetry, CompileInfo(**given | info))


def _set(span: Span) -> dict[str, Any]:
    """The attributes of a span that is open."""
    open_span: Any = span
    return dict(open_span.attributes)


def test_what_spans_have_from_their_start() -> None:
    """A sampler sees what they are and what they belong to."""
    emitted = Emitted()
    scope = _compile(emitted)
    trial = open_trial(emitted.telemetry, scope)
    info = EvaluateInfo(metric_name="exact", program_name="Solver", devset=[], scope=Scope.FULL)
    evaluation = open_evaluate(emitted.telemetry, info, trial.context)
    place = {"dspy.compile.id": scope.id, "dspy.optimizer.name": "Opt"}
    named = {"dspy.program.name": "Solver", "dspy.metric.name": "exact"}
    assert _set(scope.span) == {"dspy.operation.name": "compile", **place, **named}
    assert _set(trial.span) == {"dspy.operation.name": "trial", **place, "dspy.trial.index": 0}
    assert _set(evaluation.span).items() >= {"dspy.operation.name": "evaluate", **named, "dspy.trial.index": 0}.items()
    close_evaluate(emitted.telemetry, evaluation, EvaluateOutcome())
    close_trial(emitted.telemetry, trial, TrialInfo(), TrialOutcome())
    close_compile(emitted.telemetry, scope, result=None, error=None)


def test_contexts_inside_keep_what_the_callers_had() -> None:
    """Baggage of the program among it; the call context is that of the compile, the trial and the evaluation."""
    emitted = Emitted()
    with current(set_value("own", 1, get_current())):
        scope = _compile(emitted)
    trial = open_trial(emitted.telemetry, scope)
    info = EvaluateInfo(metric_name="exact", program_name="Solver", devset=[], scope=Scope.FULL, program=3)
    evaluation = open_evaluate(emitted.telemetry, info, trial.context)
    assert (scope.key, evaluation.examples) == (1, scope.examples)
    found = [scope.context, trial.context, evaluation.context]
    assert [context["own"] for context in found] == [1, 1, 1]
    assert [identity(get_current_span(context)) for context in found] == [1, 2, 3]
    assert [call_context_in(context) for context in found] == [
        CallContext(compile=scope, usage=scope.usage),
        CallContext(compile=scope, trial=trial, usage=trial.usage),
        CallContext(compile=scope, trial=trial, evaluation=evaluation, usage=evaluation.usage),
    ]
    assert (evaluation.program, evaluation.metric_name, evaluation.compile) == (3, "exact", scope)
    close_evaluate(emitted.telemetry, evaluation, EvaluateOutcome())
    close_trial(emitted.telemetry, trial, TrialInfo(), TrialOutcome())
    close_compile(emitted.telemetry, scope, result=None, error=None)


@pytest.mark.contract_gaps("and the calls below sum up to 0")  # the usage is counted without a call
def test_an_evaluation_begins_a_program_of_its_own() -> None:
    """The predictor, module paths and program of the call around it do not apply inside; the role of a judge does."""
    emitted = Emitted()
    tally, paths = UsageTally(), mock.Mock()
    info = EvaluateInfo(metric_name="exact", program_name="Solver", devset=[], scope=Scope.FULL)
    roles: list[tuple[Role, Role]] = [("judge", "judge"), ("reflection", "task")]
    for given, role in roles:
        place = CallContext(usage=tally, module_paths=paths, predictor="answer", role=given, program=3)
        evaluation = open_evaluate(emitted.telemetry, info, with_call_context(place, Context()))
        assert call_context_in(evaluation.context) == CallContext(
            evaluation=evaluation, usage=evaluation.usage, role=role
        )
        evaluation.usage.add(CallUsage(), "task", "gpt")
        close_evaluate(emitted.telemetry, evaluation, EvaluateOutcome())
    assert tally.attributes()["dspy.usage.lm_calls"] == 2


def test_a_compile_in_a_trial_that_was_opened_in_advance() -> None:
    """Its hook has opened the trial before the call that scores it: the compile inside is that trial's."""
    emitted = Emitted()
    outer = _compile(emitted)
    outer.open_trial = open_trial(emitted.telemetry, outer)
    with current(outer.context):
        inner = _compile(emitted)
    assert (inner.parent, inner.parent_trial_index, inner.examples) == (outer, 0, outer.examples)
    close_compile(emitted.telemetry, inner, result=None, error=None)
    close_trial(emitted.telemetry, outer.open_trial, TrialInfo(), TrialOutcome())
    close_compile(emitted.telemetry, outer, result=None, error=None)
    assert emitted.tree() == [(1, None, "compile Opt"), (2, 1, "trial Opt"), (3, 2, "compile Opt")]


def test_a_trial_is_a_child_of_the_phase_that_it_runs_in() -> None:
    """By the context that is given, else by the current one, as long as it is inside the compile."""
    emitted = Emitted()
    scope = _compile(emitted)
    named = {
        "dspy.operation.name": "phase",
        "dspy.compile.id": scope.id,
        "dspy.optimizer.name": "Opt",
        "dspy.phase.name": "propose",
    }
    phase = emitted.telemetry.tracer.start_span("phase propose", context=scope.context, attributes=named)
    inside_phase = set_span_in_context(phase, scope.context)
    given = open_trial(emitted.telemetry, scope, inside_phase)
    with current(inside_phase):
        implied = open_trial(emitted.telemetry, scope)
        elsewhere = open_trial(emitted.telemetry, scope, Context())
    for trial in (given, implied, elsewhere):
        close_trial(emitted.telemetry, trial, TrialInfo(), TrialOutcome())
    phase.end()
    close_compile(emitted.telemetry, scope, result=None, error=None)
    assert [parent for _, parent, name in emitted.tree() if name == "trial Opt"] == [2, 2, 1]


def test_the_best_trial_by_the_optimizers_rule() -> None:
    """It chooses among trials on the whole set, with their programs and keys; the returned program decides at the end."""
    emitted = Emitted()
    seen: list[Entry] = []

    def select(entries: Sequence[Entry]) -> Entry | None:
        seen[:] = entries
        return greatest(entries)

    scope = _compile(emitted, select=select)
    for score, full, error in ((60.0, True, None), (80.0, True, None), (90.0, False, None), (95.0, True, ValueError())):
        trial = open_trial(emitted.telemetry, scope)
        info = TrialInfo(
            kind=TrialKind.BASELINE if score < 70 else TrialKind.CANDIDATE,
            scope=Scope.FULL if full else Scope.MINIBATCH,
            key=f"key {score}",
        )
        program = ProgramSnapshot(f"program {score}", "{}")
        close_trial(emitted.telemetry, trial, info, TrialOutcome(score=score, program=program, error=error))
    close_compile(emitted.telemetry, scope, result=ProgramSnapshot("program 60.0", "{}"), error=None)
    assert seen[0] == Entry(index=0, score=60.0, failed=False, program_id="program 60.0", key="key 60.0")
    found = [emitted.attributes(number) for number in (2, 3, 4, 5)]
    assert [trial["dspy.trial.is_best"] for trial in found] == [True, True, False, False]
    assert [trial["dspy.trial.best_score"] for trial in found] == [60.0, 80.0, 80.0, 80.0]
    whole = emitted.attributes(1)
    assert (whole["dspy.compile.best_trial.index"], whole["dspy.compile.best_score"]) == (0, 60.0)
    assert whole["dspy.compile.initial_score"] == 60.0
    assert emitted.points()["dspy.compile.best_score"][0][1] == 80.0


def test_the_best_score_of_the_compile_that_improved_last() -> None:
    """A trial that is not the best of its compile changes nothing."""
    emitted = Emitted()
    scopes = [_compile(emitted), _compile(emitted)]
    for scope, score in ((scopes[0], 80.0), (scopes[1], 60.0), (scopes[0], 10.0)):
        trial = open_trial(emitted.telemetry, scope)
        close_trial(emitted.telemetry, trial, TrialInfo(), TrialOutcome(score=score))
    labels = {"dspy.optimizer.name": "Opt", "dspy.metric.name": "exact"}
    assert emitted.points()["dspy.compile.best_score"] == [(labels, 60.0)]
    for scope in scopes:
        close_compile(emitted.telemetry, scope, result=None, error=None)


def test_durations_are_those_of_the_spans() -> None:
    """In seconds, from the start to the end."""
    emitted, began = Emitted(), time.perf_counter()
    scope = _compile(emitted)
    trial = open_trial(emitted.telemetry, scope)
    info = EvaluateInfo(metric_name="exact", program_name="Solver", devset=[], scope=Scope.FULL)
    evaluation = open_evaluate(emitted.telemetry, info, trial.context)
    close_evaluate(emitted.telemetry, evaluation, EvaluateOutcome())
    close_trial(emitted.telemetry, trial, TrialInfo(), TrialOutcome())
    close_compile(emitted.telemetry, scope, result=None, error=None)
    found, limit = emitted.seconds(), time.perf_counter() - began
    assert found.keys() == {"dspy.compile.duration", "dspy.trial.duration", "dspy.evaluate.duration"}
    assert all(0 <= seconds <= limit for seconds in found.values())


@pytest.mark.contract_gaps("its parent was never exported")  # the span around is the test's
def test_metrics_lead_to_their_spans_and_draw_no_random_numbers() -> None:
    """Histograms have the span as an exemplar; the SDK would choose those of counters and gauges with `random`."""
    emitted = Emitted()
    state = random.getstate()
    with current(set_span_in_context(emitted.telemetry.tracer.start_span("around"), Context())):
        scope = _compile(emitted)
        trial = open_trial(emitted.telemetry, scope)
        info = EvaluateInfo(metric_name="exact", program_name="Solver", devset=[{"q": 1}], scope=Scope.FULL)
        evaluation = open_evaluate(emitted.telemetry, info, trial.context)
        example = open_example(emitted.telemetry, evaluation, 0, info.devset[0])
        close_example(emitted.telemetry, example, ExampleOutcome(score=1.0))
        close_evaluate(emitted.telemetry, evaluation, EvaluateOutcome())
        close_trial(emitted.telemetry, trial, TrialInfo(), TrialOutcome(score=100.0))
        close_compile(emitted.telemetry, scope, result=None, error=None)
        found = emitted.exemplars()
    assert random.getstate() == state
    assert found == {"dspy.compile.duration": [2], "dspy.trial.duration": [3], "dspy.evaluate.duration": [4]}


def test_parameters_and_reasons_have_no_secrets() -> None:
    """Those of the optimizer, the language model and the trial."""
    emitted = Emitted()
    scope = _compile(emitted)
    setup = SetupInfo(
        program=None, parameters={"note": f"with {KEY}"}, lm_model="m", lm_parameters={"user": f"by {KEY}"}
    )
    emit_setup(emitted.telemetry, scope, setup)
    trial = open_trial(emitted.telemetry, scope)
    close_trial(
        emitted.telemetry,
        trial,
        TrialInfo(parameters={"instruction": f"use {KEY}"}, reason=f"no {KEY}", candidate={"x": KEY}),
        TrialOutcome(),
    )
    close_compile(emitted.telemetry, scope, result=None, error=None)
    assert emitted.attributes(1)["dspy.optimizer.parameter.note"] == "with [redacted]"
    assert emitted.attributes(2)["dspy.lm.parameter.user"] == "by [redacted]"
    assert emitted.attributes(3)["dspy.trial.parameter.instruction"] == "use [redacted]"
    assert emitted.attributes(3)["dspy.trial.reason"] == "no [redacted]"
    assert "dspy.trial.candidate" not in emitted.attributes(3)


@pytest.mark.parametrize("failing", ["compile", "trial", "evaluate", "example"])
def test_the_innermost_span_that_fails_has_the_message(failing: str) -> None:
    """Without secrets; the spans around it that did not fail have neither an error nor a status."""
    emitted, error = Emitted(), ValueError(f"no {KEY}")
    errors = {failing: error}
    scope = _compile(emitted)
    trial = open_trial(emitted.telemetry, scope)
    info = EvaluateInfo(metric_name="exact", program_name="Solver", devset=[{"q": 1}], scope=Scope.FULL)
    evaluation = open_evaluate(emitted.telemetry, info, trial.context)
    example = open_example(emitted.telemetry, evaluation, 0, info.devset[0])
    close_example(emitted.telemetry, example, ExampleOutcome(error=errors.get("example")))
    close_evaluate(emitted.telemetry, evaluation, EvaluateOutcome(error=errors.get("evaluate")))
    close_trial(emitted.telemetry, trial, TrialInfo(), TrialOutcome(error=errors.get("trial")))
    close_compile(emitted.telemetry, scope, result=None, error=errors.get("compile"))
    found = {
        span.name.split()[0]: (span.status.description, (span.attributes or {}).get("error.type"))
        for span in emitted.spans.values()
    }
    expected = dict.fromkeys(("compile", "trial", "evaluate", "example"), (None, None))
    assert found == {**expected, failing: ("no [redacted]", "ValueError")}
