"""Instrumentation of SIMBA's scoring: an `example` span for each run, an `evaluate` span for the runs of each program.

Source: `dspy/teleprompt/simba.py` (steps 2, 5 and 6, and the validation) and `wrap_program` of `simba_utils.py` of dspy
3.4.1. `wrap_program` returns a function that runs a program and the metric; it swallows their exceptions and scores 0.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import wrapt
from opentelemetry.util.genai.utils import bind_arguments
from typing_extensions import override

from otel_dspy.hooks.calls.module import instrumented_program
from otel_dspy.hooks.metric.metric_values import as_score, objectives_of
from otel_dspy.hooks.optimizers.phase import PhaseHook
from otel_dspy.hooks.optimizers.simba.compile_state import Candidate, Tag
from otel_dspy.hooks.patching.call_hook import CallHook
from otel_dspy.hooks.patching.wrapper_frames import forwarding, hidden_frame
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.serialization.programs import snapshot_if_program
from otel_dspy.telemetry.spans.evaluate import EvaluateInfo, EvaluateOutcome, close_evaluate, open_evaluate
from otel_dspy.telemetry.spans.example import open_example
from otel_dspy.telemetry.spans.example_result import ExampleOutcome, close_example
from otel_dspy.telemetry.spans.trial import open_trial
from otel_dspy.telemetry.spans.trial_info import Scope, TrialInfo, TrialKind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.context import Context

    from otel_dspy.hooks.optimizers.simba.compile_state import Search
    from otel_dspy.hooks.patching.call_hook import Args, Kwargs
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import EvaluateScope

_SAMPLE: Final = "sample"


def tagged(telemetry: Telemetry, search: Search, wrapped: Callable[..., Any], args: Args, kwargs: Kwargs) -> Any:
    """Call `wrap_program` and instrument the function that it returns.

    Args:
        telemetry: the emitter of spans, events and metrics.
        search: the SIMBA compile.
        wrapped: the original `wrap_program`.
        args: its positional arguments.
        kwargs: its keyword arguments.
    """
    with guarded("the examples of SIMBA"):
        arguments = bind_arguments(wrapped, args, kwargs)
        tag = Tag(arguments["program"])
        args, kwargs = (_recording(arguments["program"], tag), _recording(arguments["metric"], tag)), {}
        tag.function = _instrumented(telemetry, tag, wrapped(*args, **kwargs))
        search.tags[id(tag.function)] = tag
        return tag.function
    with hidden_frame:
        return wrapped(*args, **kwargs)


def _recording(function: Any, tag: Tag) -> Any:
    def recorded(called: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
        with hidden_frame:
            try:
                return called(*args, **kwargs)
            except BaseException as error:
                tag.raised.setdefault(threading.get_ident(), error)
                raise

    return wrapt.FunctionWrapper(function, forwarding(recorded))


def _instrumented(telemetry: Telemetry, tag: Tag, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def scored(example: Any) -> Any:
        if tag.call_context is None:
            return function(example)
        hook = _ExampleHook(telemetry, tag, *tag.call_context, example)
        with hook:
            return hook.returned(function(example))

    return forwarding(scored)


class _ExampleHook(CallHook):
    part = "the span of an example of SIMBA's"

    def __init__(self, telemetry: Telemetry, tag: Tag, evaluation: EvaluateScope, index: int, example: Any) -> None:
        self._telemetry = telemetry
        self._tag = tag
        self._opens = evaluation, index, example
        self._result: Mapping[str, Any] = {}

    @override
    def open(self) -> Context:
        self._scope = open_example(self._telemetry, *self._opens, instrumented_program(self._tag.program))
        return self._scope.context

    @override
    def record_result(self, result: Any) -> None:
        self._result = result

    @override
    def close(self, error: BaseException | None) -> None:
        result = self._result
        feedback = result.get("output_metadata", {}).get("feedback")
        outcome = ExampleOutcome(
            prediction=result.get("prediction"),
            score=as_score(result.get("score")),
            feedback=None if feedback is None else str(feedback),
            objectives=objectives_of(result.get("output_metadata")),
            error=error or self._tag.raised.pop(threading.get_ident(), None),
            further=self._tag.further,
        )
        close_example(self._telemetry, self._scope, outcome)


@dataclass(frozen=True, slots=True)
class _Scored:
    """Evaluation with its slice of all runs, and the candidate that they score, if any."""

    evaluation: EvaluateScope
    runs: slice
    candidate: Candidate | None = None


class ScoringHook(CallHook):
    """Records one call of `dspy.Parallel`: the samples of a step, the scores of its candidates, or the validation.

    Args:
        telemetry: the emitter of spans, events and metrics.
        search: the SIMBA compile.
        pairs: the pairs of function and example passed to `dspy.Parallel`.
    """

    part = "the spans of SIMBA's scoring"

    def __init__(self, telemetry: Telemetry, search: Search, pairs: Sequence[tuple[Any, Any]]) -> None:
        self._telemetry = telemetry
        self._search = search
        self._tags = [search.tags[id(function)] for function, _ in pairs]
        self._examples = [example for _, example in pairs]
        self._scored: list[_Scored] = []
        self._phase: PhaseHook | None = None
        self._samples = search.in_step and not search.sampled
        self._outputs: Sequence[Any] | None = None

    @override
    def open(self) -> Context | None:
        search = self._search
        if self._samples:
            return self._sample()
        if search.in_step:
            self._score(search.candidates, Scope.MINIBATCH)
            return None
        return self._validate()

    def _open_phase(self, name: str) -> Context:
        self._phase = PhaseHook(self._telemetry, self._search.scope, name, None, context=self._search.context)
        return self._phase.open()

    def _sample(self) -> Context:
        context = self._open_phase(_SAMPLE)
        batch = len(self._tags) // max(self._search.num_models, 1)
        for index, tag in enumerate(self._tags):
            tag.further = {"program": getattr(tag.program, "simba_idx", -1), "rollout": index // max(batch, 1)}
        self._begin(slice(0, len(self._tags)), context, self._info(self._examples, Scope.MINIBATCH, _SAMPLE))
        return context

    def _validate(self) -> Context:
        context = self._open_phase("validate")
        programs = list({id(tag.program): tag.program for tag in self._tags}.values())
        snapshots = [snapshot_if_program(program) for program in programs]
        numbers = self._search.validated([None if found is None else found.id for found in snapshots])
        candidates: list[Candidate] = []
        for position, (program, found, number) in enumerate(zip(programs, snapshots, numbers, strict=True)):
            info = TrialInfo(
                kind=TrialKind.FULL_EVALUATION if position else TrialKind.BASELINE,
                label=f"validation {position}",
                parameters={"position": position, "simba_idx": number},
            )
            trial = open_trial(self._telemetry, self._search.scope, context)
            candidates.append(Candidate(program, trial, info, found))
        self._score(candidates, Scope.FULL)
        return context

    def _score(self, candidates: Sequence[Candidate], scope: Scope) -> None:
        each = len(self._tags) // max(len(candidates), 1)
        for position, candidate in enumerate(candidates):
            runs = slice(position * each, (position + 1) * each)
            if all(tag.program is candidate.program for tag in self._tags[runs]):
                self._begin(runs, candidate.trial.context, self._info(self._examples[runs], scope), candidate)

    def _info(self, examples: Sequence[Any], scope: Scope, phase: str | None = None) -> EvaluateInfo:
        compiling = self._search.scope
        return EvaluateInfo(
            metric_name=compiling.metric_name,
            program_name=compiling.program_name,
            devset=examples,
            scope=scope,
            phase=phase,
        )

    def _begin(self, runs: slice, context: Context, info: EvaluateInfo, candidate: Candidate | None = None) -> None:
        evaluation = open_evaluate(self._telemetry, info, context)
        for index, tag in enumerate(self._tags[runs]):
            tag.call_context = evaluation, index
        self._scored.append(_Scored(evaluation, runs, candidate))

    @override
    def record_result(self, result: Any) -> None:
        self._outputs = result

    @override
    def close(self, error: BaseException | None) -> None:
        search = self._search
        for scored in self._scored:
            snapshot = None if scored.candidate is None else scored.candidate.snapshot
            close_evaluate(self._telemetry, scored.evaluation, EvaluateOutcome(program=snapshot, error=error))
            if scored.candidate is not None and self._outputs is not None:
                with guarded("the score of a SIMBA candidate"):
                    scores = [output["score"] for output in self._outputs[scored.runs]]
                    scored.candidate.score = sum(scores) / len(scores)
        if self._samples:
            search.sampled = True
            search.tags.clear()
        elif search.in_step:
            if error is None:
                search.register()
            search.end_step(error)
        else:
            for scored in self._scored:
                if scored.candidate is not None:
                    search.end_trial(scored.candidate, error)
        if self._phase is not None:
            self._phase.close(error)
