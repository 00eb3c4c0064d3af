"""Durations and probabilities as reports show them."""

from __future__ import annotations

import pytest

from otel_dspy.reporting.number_text import duration_text, probability_text, run_duration_text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (4.24, "4.2 s"),
        (59.94, "59.9 s"),
        (60, "1 min 00 s"),
        (135, "2 min 15 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 00 min"),
        (3780, "1 h 03 min"),
        (90000, "25 h 00 min"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    """Tenths of a second below a minute, seconds below an hour, minutes above."""
    assert duration_text(seconds) == text
    assert run_duration_text(seconds) == text


def test_a_duration_that_is_none() -> None:
    """The clock was set back."""
    assert [run_duration_text(seconds) for seconds in (0, -1.5)] == ["an unknown time"] * 2


@pytest.mark.parametrize(
    ("p_value", "text"), [(0.1796, "p = 0.18"), (1.0, "p = 1"), (0.001, "p = 0.001"), (0.00099, "p < 0.001")]
)
def test_probabilities(p_value: float, text: str) -> None:
    """Two digits; very small ones have a bound."""
    assert probability_text(p_value) == text
