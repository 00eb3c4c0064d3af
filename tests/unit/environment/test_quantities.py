"""Numbers of bytes and seconds with units."""

from __future__ import annotations

import threading

import pytest

from otel_dspy.environment.quantities import number_of_bytes, number_of_seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("1048576", 1_048_576),
        ("1e6", 1_000_000),
        ("512MB", 512_000_000),
        ("1 GiB", 1_073_741_824),
        ("1.5k", 1_500),
        (" 2gb ", 2_000_000_000),
        ("2.01MB", 2_010_000),
        ("64.1GB", 64_100_000_000),
        ("9007199254740993", 9_007_199_254_740_993),
    ],
)
def test_bytes(text: str, expected: int) -> None:
    """Decimal and binary units, in any case, with or without a space."""
    assert number_of_bytes(text) == expected


@pytest.mark.parametrize(
    "text", ["", "many", "-1", "0.5", "1 fortnight", "nan", "inf", "1e400", "1e99999", "GB", "1 G B"]
)
def test_not_bytes(text: str) -> None:
    """The message contains the text and examples of valid ones."""
    with pytest.raises(ValueError, match="is not a number of bytes; use a whole number, or a unit as in 512MB or 1GiB"):
        number_of_bytes(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("90", 90.0), ("1.5", 1.5), ("500ms", 0.5), ("2m", 120.0), ("2 min", 120.0), ("1h", 3600.0)]
)
def test_seconds(text: str, expected: float) -> None:
    """Seconds without a unit."""
    assert number_of_seconds(text) == expected


def test_more_seconds_than_python_can_wait_for() -> None:
    """A large number means for ever."""
    waited = threading.Event()
    waited.set()
    assert waited.wait(number_of_seconds("99999999999999999999h"))


@pytest.mark.parametrize("text", ["", "soon", "-1", "inf", "1d 2h"])
def test_not_seconds(text: str) -> None:
    """The message contains the text and examples of valid ones."""
    with pytest.raises(ValueError, match="is not a number of seconds; use a number, or a unit as in 500ms"):
        number_of_seconds(text)
