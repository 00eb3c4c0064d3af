"""Headline of an optimization: what came of it, or how it was stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.formatting.counted_nouns import counted
from otel_dspy.formatting.trial_values import error_text, score_value_text
from otel_dspy.reporting.number_text import role_text, run_duration_text, use_text
from otel_dspy.reporting.planned_trials import ended_trials_text, planned_trials
from otel_dspy.reporting.sections.result.stopped_text import is_stopped, stopped_text
from otel_dspy.reporting.sections.running_phase import running_phase
from otel_dspy.reporting.trials.trial_line import choice_text

if TYPE_CHECKING:
    from otel_dspy.reporting.compile_result import Compile


def headline(found: Compile) -> str:
    """Return one sentence on how the optimization ended, or where it is."""
    name = f"{found.optimizer} on {found.program}"
    if found.status == "KILLED":
        return f"{name}, {stopped_text(found, _trials(found), _best(found))}"
    if found.error is not None:
        best = _best(found)
        progress = f" after {_trials(found)}, {best}" if best is not None else ""
        return f"{name} failed{progress}: {error_text(found.error)}"
    if found.status == "RUNNING":
        phase = running_phase(found)
        parts = [f"phase {phase}"] if phase is not None else []
        parts += [_trials(found), *_running_trial(found), _best(found) or "no full score yet"]
        return f"{name}, so far: {', '.join(parts)}"
    return f"{name}: {_result(found)}"


def _result(found: Compile) -> str:
    initial, best = (score_value_text(score, found.unit) for score in (found.initial_score, found.best_score))
    start, winner = found.start, found.winner
    if found.best_score is None:
        if winner is None or not winner.has_no_finite_score:
            return "no score was recorded"
        return f"trial {winner.row.index} won ({choice_text(winner.row)}), whose score is not a finite number"
    if winner is None:
        return f"from {initial} to {best}; no trial has the returned program"
    if start is not None and start.row.index == winner.row.index:
        return f"no trial was better than the start, {best}"
    change = best if found.initial_score is None else f"from {initial} to {best}"
    return f"{change}, trial {winner.row.index} won ({choice_text(winner.row)})"


def cost(found: Compile) -> str:
    """Return one sentence on the trials that ended, time and usage, in all and by role."""
    text = f"{counted(_ended(found), 'trial')} in {run_duration_text(found.duration)}: {use_text(found.usage)}"
    roles = role_uses(found)
    return f"{text}; by role: {', '.join(roles)}" if roles else text


def role_uses(found: Compile) -> list[str]:
    """Return the usage of each role, the largest first: its cost where each has one, else its tokens."""
    ordered = sorted(found.usage_by_role.items(), key=lambda one: (-one[1].tokens, one[0]))
    used = [(name, use) for name, use in ordered if use.calls]
    if all(use.cost and not use.unpriced_calls for _, use in used):
        return [f"{role_text(name)} ${use.cost:.4f}" for name, use in used]
    return [f"{role_text(name)} {counted(use.tokens, 'token')}" for name, use in used]


def _ended(found: Compile) -> int:
    return sum(not is_stopped(trial) for trial in found.trials)


def _trials(found: Compile) -> str:
    return ended_trials_text(_ended(found), planned_trials(found.optimizer, found.parameters))


def _running_trial(found: Compile) -> list[str]:
    return [f"trial {trial.row.index} is running" for trial in found.trials if trial.row.state == "running"]


def _best(found: Compile) -> str | None:
    winner = found.winner
    if winner is None or found.best_score is None:
        return None
    best = score_value_text(found.best_score, found.unit)
    return f"best {best}, trial {winner.row.index} ({choice_text(winner.row)})"
