"""Hook for COPRO: a trial for each prompt, at each depth, for each predictor.

Source: `dspy/teleprompt/copro_optimizer.py` of dspy 3.4.1. COPRO modifies and scores the same clone of the program
repeatedly, so its texts are read when an evaluation begins. `_set_signature` is called before each evaluation, and once
more with the best prompt after a predictor's last candidate. Of two calls without an evaluation in between, the second
begins the next predictor's candidates, and after the last predictor the next depth.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from typing_extensions import override

from otel_dspy.hooks.optimizers.base import OptimizerHook, compile_of
from otel_dspy.hooks.optimizers.plans.copro import copro
from otel_dspy.hooks.optimizers.predictors import predictor_name, predictors, prefix
from otel_dspy.hooks.patching.wrapper_frames import hidden_frame
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.telemetry.optimizer_hook_state import StateKey
from otel_dspy.telemetry.spans.trial_info import TrialInfo, TrialKind
from otel_dspy.telemetry.tallies.lm_roles import PROMPT

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping, Sequence

    from otel_dspy.hooks.optimizers.plans.call_plan import CallPlan, NestedPlan
    from otel_dspy.hooks.patching.call_hook import Args, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import CompileScope
    from otel_dspy.telemetry.spans.evaluate import EvaluateInfo
    from otel_dspy.telemetry.tallies.leaderboard import Entry

_SEARCH: Final[StateKey[_Search]] = StateKey("COPRO")


class COPROHook(OptimizerHook):
    """Labels each trial by depth, predictor and candidate."""

    optimizer = "dspy.teleprompt.copro_optimizer.COPRO"
    role = PROMPT

    @override
    def install(self, patches: Patches, telemetry: Telemetry) -> None:
        from dspy.teleprompt.copro_optimizer import COPRO  # noqa: PLC0415 - imported when it is instrumented

        patches.wrap(COPRO, "_set_signature", _signature_set)

    @override
    def plan(self, optimizer: Any, arguments: Mapping[str, Any], nested: NestedPlan) -> CallPlan | None:
        del nested
        return copro(optimizer, arguments)

    @override
    def select(self, entries: Sequence[Entry]) -> Entry | None:
        """Return the best candidate by the same rule as COPRO.

        Candidates are unique by predictor and text. One that is scored again keeps its position, and takes the new
        score only if that is larger. The sort is stable, and undefined if a score is NaN, as in COPRO. An evaluation
        that raised ends the compile, and is not a candidate.
        """
        kept: dict[Hashable, Entry] = {}
        scored = [entry for entry in entries if entry.score is not None]
        for entry in sorted(scored, key=lambda entry: cast("tuple[int, Any, Any]", entry.key)[0]):
            known = kept.get(entry.key)
            if known is None or not _score(known) >= _score(entry):
                kept[entry.key] = entry
        return next(iter(sorted(kept.values(), key=_score, reverse=True)), None)

    @override
    def trial(self, scope: CompileScope, program: Any, evaluation: EvaluateInfo) -> TrialInfo:
        search = _search(scope)
        depth, number, candidate = search.evaluated(len(predictors(program)))
        texts = _texts(program)
        baseline = texts == search.initial and not search.baseline_seen
        search.baseline_seen |= baseline
        name = predictor_name(program, search.predictor)
        instruction, last_prefix = texts[name]
        return TrialInfo(
            kind=TrialKind.BASELINE if baseline else TrialKind.CANDIDATE,
            label=f"depth {depth}, {name}, candidate {candidate}",
            scope=evaluation.scope,
            parameters={"depth": depth, "predictor": name, "candidate": candidate},
            candidate={name: {"instruction": instruction, "prefix": last_prefix}},
            key=(number, instruction, last_prefix),
        )


@dataclass(slots=True)
class _Search:
    """Progress of one compile. `initial`: the texts of the given program, which COPRO scores as well."""

    initial: dict[str, tuple[str, str | None]]
    baseline_seen: bool = False
    predictor: object = None
    pending: bool = False
    group: int = -1
    """Number of the predictor's group of candidates, counted over all depths."""
    candidate: int = field(default=-1)

    def changed(self, predictor: object) -> None:
        """Record that COPRO has set a predictor's prompt."""
        if self.group < 0 or self.pending:
            self.group += 1
            self.candidate = -1
        self.predictor, self.pending = predictor, True

    def evaluated(self, count: int) -> tuple[int, int, int]:
        """Record an evaluation and return its depth, predictor number and candidate number, all from 0.

        Args:
            count: the number of the program's predictors.
        """
        self.pending = False
        self.candidate += 1
        depth, number = divmod(max(self.group, 0), count or 1)
        return depth, number, self.candidate


def _score(entry: Entry) -> float:
    return math.nan if entry.score is None else entry.score


def _search(scope: CompileScope) -> _Search:
    return scope.state.get_or_create(_SEARCH, lambda: _Search(_texts(scope.arguments.get("student"))))


def _texts(program: Any) -> dict[str, tuple[str, str | None]]:
    # COPRO strips quotation marks and whitespace from its candidates.
    texts = {
        name: (predictor.signature.instructions, prefix(predictor.signature)) for name, predictor in predictors(program)
    }
    return {name: (text.strip('"').strip(), end and end.strip('"').strip()) for name, (text, end) in texts.items()}


def _signature_set(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
    with hidden_frame:
        result = wrapped(*args, **kwargs)
    with guarded("COPRO's choice of a prompt"):
        scope = compile_of(COPROHook)
        if scope is not None:
            _search(scope).changed(args[0] if args else kwargs["predictor"])
    return result
