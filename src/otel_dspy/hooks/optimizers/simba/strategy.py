"""Hook for SIMBA's strategies: a candidate's trial, from the strategy that builds it until it is scored.

Source: `dspy/teleprompt/simba.py` (step 4) and `simba_utils.py` of dspy 3.4.1. A strategy receives a bucket (the
trajectories of one example, best first) and a copy of a program of the pool, which still has the source's `simba_idx`.
A strategy that finds nothing to learn returns False and leaves the copy unchanged; SIMBA scores it nevertheless. SIMBA
swallows a strategy's exception and drops the candidate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from otel_dspy.hooks.metric.metric_values import as_score
from otel_dspy.hooks.optimizers.predictors import predictors
from otel_dspy.hooks.optimizers.simba.compile_state import Candidate
from otel_dspy.hooks.patching.call_hook import CallHook
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.serialization.datasets import fields
from otel_dspy.serialization.programs import snapshot_if_program
from otel_dspy.telemetry.call_context import call_context_in, with_call_context
from otel_dspy.telemetry.spans.trial import open_trial
from otel_dspy.telemetry.spans.trial_info import Scope, TrialInfo
from otel_dspy.telemetry.tallies.lm_roles import PROMPT

if TYPE_CHECKING:
    from opentelemetry.context import Context

    from otel_dspy.hooks.optimizers.simba.compile_state import Search
    from otel_dspy.hooks.patching.call_hook import Args
    from otel_dspy.telemetry.emitter import Telemetry


class StrategyHook(CallHook):
    """Records one call of a strategy.

    Args:
        telemetry: passed to `open_trial`.
        search: the state of the compile.
        strategy: the name of the strategy.
        args: the bucket and the program.
    """

    part = "the span of a SIMBA candidate"

    def __init__(self, telemetry: Telemetry, search: Search, strategy: str, args: Args) -> None:
        self._telemetry = telemetry
        self._search = search
        self._strategy = strategy
        self._bucket, self._program = args
        self._applied = False

    @override
    def open(self) -> Context:
        search, bucket = self._search, self._bucket
        # Read before the call: a strategy may overwrite the scores of its bucket.
        self._scores = {
            "bucket_max_score": as_score(bucket[0]["score"]),
            "bucket_min_score": as_score(bucket[-1]["score"]),
        }
        self._source = int(getattr(self._program, "simba_idx", 0))
        self._before = _contents(self._program)
        self._number = search.built
        search.built += 1
        self._trial = open_trial(self._telemetry, search.scope, search.context)
        call_context = call_context_in(self._trial.context)
        return with_call_context(call_context._replace(role=PROMPT), self._trial.context)

    @override
    def record_result(self, result: Any) -> None:
        self._applied = bool(result)

    @override
    def close(self, error: BaseException | None) -> None:
        search = self._search
        known = search.program_ids[self._source] if self._source < len(search.program_ids) else None
        changed: object = None
        candidate = Candidate(self._program, self._trial, TrialInfo(scope=Scope.MINIBATCH))
        with guarded("the state of a SIMBA candidate"):
            candidate.snapshot = snapshot_if_program(self._program)
            changed = _changed(self._before, _contents(self._program))
        candidate.info = TrialInfo(
            label=f"step {search.step}, candidate {self._number}",
            scope=Scope.MINIBATCH,
            parameters={
                "step": search.step,
                "candidate": self._number,
                "strategy": self._strategy,
                "strategy_applied": self._applied,
                "source_simba_idx": self._source,
                **self._scores,
            },
            parent_program_ids=() if known is None else (known,),
            candidate=changed,
        )
        if error is None:
            search.candidates.append(candidate)
        else:
            search.end_trial(candidate, error)


_Contents = dict[str, tuple[str, list[Any]]]
"""Predictor path -> instructions and demos."""


def _contents(program: Any) -> _Contents:
    return {name: (predictor.signature.instructions, list(predictor.demos)) for name, predictor in predictors(program)}


def _changed(before: _Contents, after: _Contents) -> dict[str, dict[str, Any]]:
    """Return the rule or demos that the strategy added, by predictor path; unchanged predictors are omitted."""
    changed: dict[str, dict[str, Any]] = {}
    for name, (instructions, demos) in after.items():
        old_instructions, old_demos = before[name]
        if instructions != old_instructions:
            changed.setdefault(name, {})["rule"] = instructions.removeprefix(old_instructions).strip()
        if len(demos) > len(old_demos):
            changed.setdefault(name, {})["demos"] = [fields(demo) for demo in demos[len(old_demos) :]]
    return changed
