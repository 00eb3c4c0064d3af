"""Text of means and differences of the metric's values, in the unit of the score."""

from __future__ import annotations

from otel_dspy.formatting.trial_text import difference_text, score_value_text


def metric_mean_text(mean: float, unit: str | None) -> str:
    """Format a mean of the metric's values as a score: `62.5 %` for 0.625 of a score in percent, else `0.625`.

    Args:
        mean: the mean, in the metric's own values.
        unit: the score's unit; DSPy's percent is 100 times the mean.
    """
    return score_value_text(_scaled(mean, unit), unit)


def metric_difference_text(difference: float, unit: str | None) -> str:
    """Format a difference of such means: `+12.5` for a score in percent, or `-0.125`; arguments as above."""
    return difference_text(_scaled(difference, unit), unit)


def _scaled(value: float, unit: str | None) -> float:
    return 100 * value if unit == "percent" else value
