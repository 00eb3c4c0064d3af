"""Text formatting of trials, shared by the runs in MLflow and the reports."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final, cast

from otel_dspy.formatting.control_characters import without_escape_sequences

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NONE = "-"
START: Final = "start"
"""Name of the initial program, and of its trial."""
LONGEST_FAILURE: Final = 250
"""Maximum characters of a failure's type and message."""
BASELINE: Final = "baseline"
"""Kind of the trial of the unoptimized program."""
_ERROR: Final = re.compile(r"(?P<type>[\w.]+): (?P<message>.*)", re.DOTALL)
_NOT_BETTER: Final = re.compile(r"New subsample score (\S+) not better than old score (\S+)")
_WORSE_MERGE: Final = re.compile(r"Merged score (\S+) worse than both parents (.+)")
"""Reasons of gepa 0.1.4, whose scores are sums over the minibatch: those of the trial are means."""
CHOICE_PARAMETER: Final = re.compile(r"(?P<predictor>.+)_predictor_(?P<part>instruction|demos)")
"""MIPROv2's parameters: the index of the predictor, and what is chosen for it."""
_DEMO_PARAMETER: Final = re.compile(r"demo_index_for_(?P<predictor>.+)")
"""Parameters of `BootstrapFewShotWithOptuna`: the name of the predictor; it is given this one demo."""


def score_value_text(score: float | None, unit: str | None) -> str:
    """Format a score in its unit: `62.5 %`, or `0.625` for a ratio; `-` without a score, `NaN` for NaN."""
    if score is None:
        return NONE
    if math.isnan(score):
        return "NaN"
    return f"{score:.1f} %" if unit == "percent" else f"{score:.3f}"


def difference_text(difference: float, unit: str | None) -> str:
    """Format a difference of two scores in their unit: `+12.5`, or `-0.125` for a ratio."""
    return f"{difference:+.1f}" if unit == "percent" else f"{difference:+.3f}"


def failure_text(kind: str | None, message: str | None) -> str:
    """Format the first failure of a trial in which every example failed, in one line: `ValueError: no labels here`.

    Args:
        kind: the error's type, with or without its module.
        message: its message; only the first line is used.
    """
    name = (kind or "an error").rpartition(".")[2]
    first = _first_line(message or "")
    return f"{name}: {first}"[:LONGEST_FAILURE] if first else name


def error_text(error: str) -> str:
    """Format a recorded error, `TYPE: MESSAGE` or either alone, in one line: as `failure_text`."""
    match = _ERROR.fullmatch(error)
    if match is not None:
        return failure_text(match["type"], match["message"])
    return _first_line(error)[:LONGEST_FAILURE]


def _first_line(text: str) -> str:
    """Return the first line that has text: messages may be output of other programs, with their colors."""
    return without_escape_sequences(text).strip().partition("\n")[0].rstrip(". \r")


def tried_text(kind: str | None, label: str | None, parameters: Mapping[str, object]) -> str | None:
    """Format what a trial tried, in a few words: `instruction 1 + demos 2`; None if that was not recorded.

    The trial of the initial program is the `start` of every optimizer, whatever its label: `start, candidate 0` of
    GEPA. Another one is what the optimizer chose for it, else the optimizer's own word for it, its label.

    Args:
        kind: `dspy.trial.kind`.
        label: `dspy.trial.label`.
        parameters: what the optimizer chose.
    """
    if kind != BASELINE:
        return chosen_text(parameters) or proposal_text(parameters) or label
    own = label if parameters and "iteration" not in parameters and "restored" not in parameters else None
    if own is None and "candidate" in parameters:
        own = f"candidate {parameters['candidate']}{', restored' if parameters.get('restored') else ''}"
    return f"{START}, {own}" if own else START


def chosen_text(parameters: Mapping[str, object]) -> str | None:
    """Format what a trial chose from the candidates: `instruction 1 + demos 2`; None for other parameters.

    With several predictors each is named, by MIPROv2's index or by Optuna's name of it: `predictor 0: instruction 1 +
    demos 2; predictor 1: …`, `read: demo 1; say: demo 0`.
    """
    demos = {
        match["predictor"]: f"demo {value}"
        for name, value in parameters.items()
        if (match := _DEMO_PARAMETER.fullmatch(name)) is not None
    }
    if len(demos) == 1:
        return next(iter(demos.values()))
    if demos:
        return "; ".join(f"{predictor}: {demo}" for predictor, demo in demos.items())
    chosen: dict[str, dict[str, object]] = {}
    for name, value in parameters.items():
        match = CHOICE_PARAMETER.fullmatch(name)
        if match is not None:
            chosen.setdefault(match["predictor"], {})[match["part"]] = value
    parts = {
        predictor: " + ".join(f"{part} {found[part]}" for part in ("instruction", "demos") if part in found)
        for predictor, found in sorted(chosen.items())
    }
    if len(parts) == 1:
        return next(iter(parts.values()))
    return "; ".join(f"predictor {predictor}: {part}" for predictor, part in parts.items()) or None


def proposal_text(parameters: Mapping[str, object]) -> str | None:
    """Format what GEPA proposed in a trial.

    None for the given program, for candidates of a checkpoint, and for other optimizers.
    `candidate 1, left of candidate 0 changed` and `candidate 3, merge of 1 and 2` were accepted;
    `left of candidate 2 changed` and `merge of 1 and 2` were not.
    """
    parents = _listed(parameters.get("parents"))
    if "iteration" not in parameters or "restored" in parameters or not parents:
        return None
    if len(parents) > 1:
        made = f"merge of {' and '.join(parents)}"
    else:
        components = ", ".join(_listed(parameters.get("components")))
        made = (
            f"{components} of candidate {parents[0]} changed" if components else f"proposal from candidate {parents[0]}"
        )
    return f"candidate {parameters['candidate']}, {made}" if "candidate" in parameters else made


def reason_text(reason: str) -> str:
    """Format why a trial was not accepted: GEPA has sentences and names such as `all_scores_perfect`."""
    if (match := _NOT_BETTER.fullmatch(reason)) is not None:
        return f"not better than before: sum of scores {match[1]} against {match[2]}"
    if (match := _WORSE_MERGE.fullmatch(reason)) is not None:
        return f"worse than both parents: sum of scores {match[1]} against {match[2]}"
    return reason.replace("_", " ") if reason.isidentifier() else without_escape_sequences(reason)


def _listed(value: object) -> list[str]:
    return [str(one) for one in cast("Sequence[object]", value)] if isinstance(value, list | tuple) else []
