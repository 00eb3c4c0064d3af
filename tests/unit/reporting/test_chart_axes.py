from __future__ import annotations

import pytest

from otel_dspy.reporting.html.chart_axes import labeled_places


@pytest.mark.parametrize(
    ("count", "winner", "places"),
    [
        (3, 1, [0, 1, 2]),
        (5, None, [0, 1, 2, 3, 4]),
        (12, None, [0, 3, 6, 9]),
        (12, 6, [0, 3, 6, 9]),
        (12, 7, [0, 3, 7]),
        (12, 11, [0, 3, 6, 11]),
        (0, None, []),
    ],
)
def test_no_label_is_beside_the_winners(count: int, winner: int | None, places: list[int]) -> None:
    """At most five at regular distances, of which those give way that would overlap the winner's."""
    assert labeled_places(count, 5, winner) == places
