"""A scripted model for the tutorial's math questions, which instructions and examples make better."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.dspy_answers import dspy_script

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.support.lm_server import Message

EXAMPLES = Path(__file__).parents[3] / "examples"
QUESTIONS = EXAMPLES / "math_questions.json"
UNKNOWN_ANSWER = "42"
"""The answer to any question that is not in the set."""


def math_answer(messages: Sequence[Message]) -> str:
    """Answer a DSPy prompt; a question of the tutorial's set is answered rightly, or with 0.

    Without examples in the prompt about half of the questions come out right, with examples about nine of ten; which
    ones depends on the prompt alone, so that a run repeats.
    """
    right = {row["question"]: row["answer"] for row in json.loads(QUESTIONS.read_text(encoding="utf-8"))}
    examples_shown = len(messages) > 2
    luck = hashlib.sha256(json.dumps(list(messages)).encode()).digest()[0] / 256

    def answer(inputs: Mapping[str, str]) -> str:
        if inputs["question"] not in right:
            return UNKNOWN_ANSWER
        return right[inputs["question"]] if luck < (0.9 if examples_shown else 0.5) else "0"

    return dspy_script({"answer": answer})(messages)
