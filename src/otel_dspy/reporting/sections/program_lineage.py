"""Lineage of the programs that trials tried, where the optimizer derives them from each other.

SIMBA, BetterTogether and optimizers of users record the program that a trial's program was derived from. COPRO proposes
from all attempts so far, so that a program has no parent: it is shown below the best of them.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final, TypeVar

from otel_dspy.formatting.trial_values import reason_text
from otel_dspy.reporting.sections.lineage_records import Lineage, Node, Rejection
from otel_dspy.reporting.trials.trial_line import choice_text
from otel_dspy.serialization.json_types import whole_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_dspy.reporting.compile_result import Compile, Trial

_Key = TypeVar("_Key")

MAX_NODES: Final = 100
"""Maximum number of programs; the winner's ancestors and those with the highest scores are kept first."""
_DERIVED: Final = "A line leads from the program that a trial began with."
_COPRO: Final = "COPRO proposes from all attempts so far: a line leads from the best of them."


def program_lineage(found: Compile) -> Lineage | None:
    """Return the lineage of the programs; None if the optimizer derives none from another.

    Trials of the same program are one node, which has the number of the first.
    """
    of_copro = found.optimizer == "COPRO"
    parents = _copro_parents(found.trials) if of_copro else _recorded_parents(found.trials)
    if not any(parents.values()):
        return None
    by_program: dict[str, list[Trial]] = {}
    for trial in found.trials:
        if trial.program_id is not None:
            by_program.setdefault(trial.program_id, []).append(trial)
    scored = {
        program: full.scores for program, trials in by_program.items() if (full := _scored(trials)) and full.is_full
    }
    counts = best_at(scored)
    numbers: dict[str, int] = {}
    depths: dict[int, int] = {}
    nodes: list[Node] = []
    # The initial program is first, although SIMBA scores it last: a program is below one that comes before it.
    for program in sorted(
        by_program, key=lambda one: not any(trial.row.kind == "baseline" for trial in by_program[one])
    ):
        trials = by_program[program]
        first, best = trials[0], _scored(trials)
        of_trials = {parent for trial in trials for parent in parents.get(trial.row.index, ())}
        known = tuple(sorted(numbers[parent] for parent in of_trials if parent in numbers))
        number = numbers[program] = first.row.index
        depths[number] = 1 + max((depths[parent] for parent in known), default=-1)
        nodes.append(
            Node(
                number,
                first.row.index if best is None else best.row.index,
                None if best is None else best.row.score,
                known,
                _change(first) if known else (),
                depths[number],
                counts.get(program),
                any(trial.row.index == found.best_trial for trial in trials),
                best is None or best.is_full,
            )
        )
    failed = [trial for trial in found.trials if trial.program_id is None and trial.row.state != "running"]
    rejections = tuple(
        Rejection(
            trial.row.index,
            (),
            trial.row.state,
            reason_text(trial.reason or trial.error or trial.row.state),
            None,
            None,
        )
        for trial in failed
    )
    reasons = Counter(rejection.state for rejection in rejections).most_common()
    kept = _kept(nodes)
    lines = _COPRO if of_copro else _DERIVED
    return Lineage(kept, rejections, tuple(reasons), "trial", lines, len(nodes) - len(kept))


def best_at(scores: Mapping[_Key, Mapping[str, float]]) -> dict[_Key, int]:
    """Return for each candidate the number of examples on which no other has a higher score.

    Args:
        scores: scores by example id, of each candidate.
    """
    highest: dict[str, float] = {}
    for found in scores.values():
        for example, score in found.items():
            highest[example] = max(score, highest.get(example, score))
    return {key: sum(score >= highest[example] for example, score in found.items()) for key, found in scores.items()}


def _recorded_parents(trials: Sequence[Trial]) -> dict[int, tuple[str, ...]]:
    """Return the programs that each trial's program was derived from; not itself, if nothing changed."""
    return {
        trial.row.index: tuple(parent for parent in trial.parent_ids if parent != trial.program_id) for trial in trials
    }


def _copro_parents(trials: Sequence[Trial]) -> dict[int, tuple[str, ...]]:
    """Return the best attempt at the same predictor of an earlier depth; the initial program at the first depth."""
    found: dict[int, tuple[str, ...]] = {}
    initial = next((trial for trial in trials if trial.row.kind == "baseline"), None)
    for trial in trials:
        depth, predictor = whole_number(trial.row.parameters.get("depth")), trial.row.parameters.get("predictor")
        if depth is None or trial is initial:
            continue
        attempts = [
            other
            for other in trials
            if other.row.parameters.get("predictor") == predictor
            and (before := whole_number(other.row.parameters.get("depth"))) is not None
            and before < depth
        ]
        best = _scored(attempts) if attempts else initial
        program = None if best is None else best.program_id
        found[trial.row.index] = () if program in {None, trial.program_id} else (str(program),)
    return found


def _scored(trials: Sequence[Trial]) -> Trial | None:
    """Return the trial with the highest score, of those over the whole validation set if there are any."""
    scored = [trial for trial in trials if trial.row.score is not None]
    full = [trial for trial in scored if trial.is_full]
    return max(full or scored, key=lambda trial: trial.row.score or 0.0, default=None)


def _change(trial: Trial) -> tuple[str, ...]:
    chosen = trial.row.parameters
    strategy = chosen.get("strategy")
    if "depth" in chosen and "predictor" in chosen:
        return (f"depth {chosen['depth']}, {chosen['predictor']}",)
    return (strategy if isinstance(strategy, str) and strategy else choice_text(trial.row),)


def _kept(nodes: Sequence[Node]) -> tuple[Node, ...]:
    by_number = {node.candidate: node for node in nodes}
    kept: set[int] = set()
    ancestors = [node.candidate for node in nodes if node.is_winner]
    while ancestors:
        number = ancestors.pop()
        if number not in kept:
            kept.add(number)
            ancestors += by_number[number].parents
    for node in sorted(nodes, key=lambda node: (not node.is_full, -(node.score or 0.0))):
        if len(kept) >= MAX_NODES:
            break
        kept.add(node.candidate)
    return tuple(node for node in nodes if node.candidate in kept)
