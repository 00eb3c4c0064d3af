"""Length that a demo adds to the prompts of a program, from its measured runs; no call is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

Step = tuple[Any, Any, Any]
"""A call of a predictor as DSPy traces it: the predictor, its inputs, its prediction."""


def growth(steps: Sequence[Step]) -> float | None:
    """Return the share by which prompts grow, in characters, when each predictor has one more demo.

    The demo is the measured call itself, in the format of DSPy's adapter.

    Args:
        steps: the calls of predictors in a run of the program.

    Returns:
        The share; None if there are no calls, or if the adapter cannot format a demo.
    """
    import dspy  # noqa: PLC0415 - seconds

    settings: Any = dspy.settings
    adapter = settings.adapter or dspy.ChatAdapter()
    before = after = 0
    try:
        for predictor, inputs, prediction in steps:
            demos = [*predictor.demos]
            demo = {**inputs, **dict(prediction.items())}
            before += _length(adapter.format(predictor.signature, demos, dict(inputs)))
            after += _length(adapter.format(predictor.signature, [*demos, demo], dict(inputs)))
    except Exception:  # noqa: BLE001 - an adapter of the user may raise anything
        return None
    return after / before - 1 if before else None


def _length(messages: Sequence[Any]) -> int:
    return sum(len(str(message["content"])) for message in messages)
