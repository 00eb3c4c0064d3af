"""Choice of the trials that an axis names."""

from __future__ import annotations


def labeled_places(count: int, most: int, winner: int | None) -> list[int]:
    """Return the places on an axis that have a label: at regular distances, and the winner's.

    Args:
        count: number of places.
        most: the largest number of labels besides the winner's.
        winner: the winner's place, whose label no other is near enough to overlap.
    """
    every = max(1, -(-count // most))
    regular = (place for place in range(0, count, every) if winner is None or abs(place - winner) >= every)
    return sorted({*regular, *(() if winner is None else (winner,))})
