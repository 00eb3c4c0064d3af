"""Text of numbers: durations, p-values, counts with their noun, means of the metric's values, usage and cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.formatting.counted_nouns import counted
from otel_dspy.formatting.trial_values import difference_text, score_value_text

if TYPE_CHECKING:
    from otel_dspy.reporting.statistics.significance import PairedTest
    from otel_dspy.reporting.trials.trial_row import ModelUse

_SMALLEST_P: Final = 0.001
UNOBSERVED: Final = "model calls were not observed"
"""Usage of an optimization that called models without DSPy."""


def duration_text(seconds: float) -> str:
    """Format a duration: `4.2 s`, `2 min 15 s`, `1 h 03 min`."""
    if seconds < 60:  # noqa: PLR2004 - seconds of a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:  # noqa: PLR2004 - minutes of an hour
        return f"{minutes} min {rest:02} s"
    return f"{minutes // 60} h {minutes % 60:02} min"


def run_duration_text(seconds: float) -> str:
    """Format the duration of an optimization; 0 or less is unknown: the clock was set back while it ran."""
    return duration_text(seconds) if seconds > 0 else "an unknown time"


def probability_text(p_value: float) -> str:
    """Format a p-value: `p = 0.18`, `p < 0.001`."""
    return f"p < {_SMALLEST_P}" if p_value < _SMALLEST_P else f"p = {p_value:.2g}"


def paired_test_text(test: PairedTest) -> str:
    """Format p-value and method: `p = 0.18, exact sign test`, and that the mean changed in the other direction."""
    text = f"{probability_text(test.p_value)}, {test.method}"
    return f"{text}, but the mean has the other direction" if test.contradicts_mean else text


def score_scale(unit: str | None) -> float:
    """Return the factor from a mean of the metric's values to a score: 100 for one in percent, else 1."""
    return 100.0 if unit == "percent" else 1.0


def metric_mean_text(mean: float, unit: str | None) -> str:
    """Format a mean of the metric's values as a score: `62.5 %` for 0.625 of a score in percent, else `0.625`."""
    return score_value_text(mean * score_scale(unit), unit)


def metric_difference_text(difference: float, unit: str | None) -> str:
    """Format a difference of such means: `+12.5` for a score in percent, or `-0.125`."""
    return difference_text(difference * score_scale(unit), unit)


def use_text(use: ModelUse) -> str:
    """Format calls, tokens and cost: `12 calls, 340 tokens, $0.0012 (3 calls not priced)`."""
    if not use.observed:
        return UNOBSERVED
    cost = "price unknown" if use.cost is None else f"${use.cost:.4f}"
    text = f"{counted(use.calls, 'call')}, {counted(use.tokens, 'token')}, {cost}"
    # "price unknown" already covers unpriced calls.
    return text if use.cost is None or not use.unpriced_calls else f"{text} ({use.unpriced_calls:,} calls not priced)"


def role_text(role: str) -> str:
    """Format whose calls are those of a role: `prompt model`, as `prompt` alone would read as tokens of prompts."""
    return f"{role} model"


def unpriced_text(model: str) -> str:
    """Format why a cost is unknown or incomplete, and what to do: DSPy has no price of the model."""
    return (
        f"No price is known for {model}: register one with litellm.register_model, or pass input_cost_per_token and "
        "output_cost_per_token to dspy.LM."
    )
