"""First line of the description of an ended compile's run, from its span: what stays if no report is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.formatting.markdown import markdown_text
from otel_dspy.formatting.trial_values import failure_text, score_value_text, tried_text

if TYPE_CHECKING:
    from otel_dspy.mlflow.mapping.compile_aggregator import EndedCompile


def ended_description(ended: EndedCompile) -> str:
    """Return one sentence in Markdown: optimizer, program, how it ended, number of trials, best score and its trial.

    Args:
        ended: the ended compile, which was not interrupted.
    """
    done = ended.done
    raised = done.error_type is not None or done.span.error
    count = len(ended.trials) if done.trial_count is None else done.trial_count
    text = f"{done.identity.optimizer} on {done.identity.program} {'failed' if raised else 'finished'}"
    if count:
        text += f" after {count:,} trial{'' if count == 1 else 's'}"
    best = _best(ended)
    if raised:
        text += f"{'' if best is None else f', {best}'}: {failure_text(done.error_type, done.span.message)}"
    elif (failures := done.failures) is not None and failures.every:
        text += f": every example failed with {failure_text(failures.first_type, failures.first_message)}"
    else:
        text += f": {best or 'no score was recorded'}"
    return f"**{markdown_text(text)}**"


def _best(ended: EndedCompile) -> str | None:
    done = ended.done
    if done.best_score is None:
        return None
    found = f"best {score_value_text(done.best_score, done.score_unit)}"
    if done.best_trial is None:
        return found
    winners = [trial for trial in ended.trials if trial.index == done.best_trial]
    tried = [tried_text(trial.kind, trial.label, trial.parameters) for trial in winners]
    return f"{found}, trial {done.best_trial}{f' ({tried[0]})' if any(tried) else ''}"
