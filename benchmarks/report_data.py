"""A recorded optimization as plain data: what the benchmarks of the report and of its peers draw."""

from __future__ import annotations

from typing import Any, Final

SIZES: Final = ((20, 200), (100, 1_000))
"""Trials, and examples of the validation set."""
_TEXT: Final = "The quick brown fox jumps over the lazy dog, and nobody in the stadium had expected that of it. "


def program_of(instruction: int) -> dict[str, Any]:
    """Return the state of a program."""
    signature: dict[str, Any] = {"instructions": f"Instruction {instruction}. {_TEXT * 10}", "fields": []}
    return {"classify": {"signature": signature, "demos": [{"text": _TEXT, "label": "yes"}] * 4}}


def text_of(example: int) -> str:
    """Return the input of an example."""
    return f"{example} {_TEXT}"


def answer_of(trial: int, example: int) -> tuple[str, bool]:
    """Return what a trial's program answered on an example, and whether that is right."""
    right = (example * 7 + trial * 3) % 10 < 4 + trial % 4
    return label_of(example) if right else "maybe", right


def label_of(example: int) -> str:
    """Return the label of an example."""
    return "yes" if example % 2 else "no"


def choice_of(trial: int) -> dict[str, int]:
    """Return the parameters that a trial tried."""
    return {"0_predictor_instruction": trial % 5, "0_predictor_demos": trial // 5 % 4}
