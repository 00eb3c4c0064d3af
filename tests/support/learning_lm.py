"""A model that demos, rules and instructions make better, so that candidates of an optimization score differently.

It knows the even sums. An odd sum it knows up to the largest number in "Knows N." in its instructions, plus two for
each demo in the prompt; above that it is wrong, or with `fickle` wrong and right in turn, a question at a time.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import dspy

    from tests.support.lm_server import Message

_KNOWS = re.compile(r"Knows (\d+)\.")


def learning_lm(
    *, fickle: bool = False, before: Callable[[], object] = lambda: None, advice: str | None = None
) -> dspy.LM:
    """The model. Its proposals are "Knows 1.", "Knows 2.", … in order.

    Args:
        fickle: see above.
        before: called ahead of each answer.
        advice: what it gives in the place of a rule of SIMBA's.
    """
    asked: Counter[str] = Counter()
    proposals = (f"Knows {number}." for number in itertools.count(1))

    def script(messages: Sequence[Message]) -> str:
        before()
        known = _known(messages)

        def answer(inputs: Mapping[str, str]) -> str:
            question = inputs["question"]
            total = sum(int(term) for term in question.split("+"))
            asked[question] += 1
            lucky = fickle and asked[question] % 2 == 0
            return str(total) if total % 2 == 0 or total <= known or lucky else "wrong"

        return dspy_script(
            {
                "answer": answer,
                "proposed_instruction": lambda _: next(proposals),
                "proposed_prefix_for_output_field": lambda _: "Sum:",
                "natural_language_rules": lambda _: next(proposals),
                "module_advice": lambda _: f'{{"self": "{next(proposals)}"}}' if advice is None else advice,
            }
        )(messages)

    return in_process_lm(script)


def _known(messages: Sequence[Message]) -> int:
    text: Any = messages[0]["content"]
    demos = sum(message["role"] == "assistant" for message in messages)
    return max((int(number) for number in _KNOWS.findall(str(text))), default=0) + 2 * demos
