"""Coordinates of the timeline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_dspy.reporting.html.chart_axes import WIDTH
from otel_dspy.reporting.number_text import duration_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_dspy.reporting.sections.timeline import Bar, Timeline

_LEFT, _RIGHT, _TOP, _TRACK = 130, 20, 8, 24
_LEAST: Final = 1.0
"""Minimum width of a bar."""
_GAP: Final = 0.5
_TICKS: Final = 4
_SHORT: Final = 4.0
"""Seconds; the ticks of a shorter timeline are less than a second apart and have a decimal place more."""


@dataclass(frozen=True)
class TrackPath:
    """Bars of one track, as a path of horizontal strokes."""

    name: str
    y: float
    path: str
    winner: str
    """Path of the winner's bar; empty in other tracks."""


@dataclass(frozen=True)
class TimelineChart:
    """The chart."""

    width: int
    height: int
    left: int
    base: float
    tracks: tuple[TrackPath, ...]
    ticks: tuple[tuple[float, str], ...]


def timeline_chart(found: Timeline) -> TimelineChart:
    """Return the chart of a timeline."""
    scale = (WIDTH - _LEFT - _RIGHT) / (found.duration or 1.0)
    tracks: list[TrackPath] = []
    for place, track in enumerate(found.tracks):
        y = _TOP + _TRACK * place + _TRACK / 2
        others, winners = ([bar for bar in track.bars if bar.is_winner is wins] for wins in (False, True))
        tracks.append(TrackPath(track.name, y, _strokes(others, y, scale), _strokes(winners, y, scale)))
    base = _TOP + _TRACK * len(found.tracks)
    times = [found.duration * number / _TICKS for number in range(_TICKS + 1)]
    text = "{:.2f} s".format if found.duration < _SHORT else duration_text
    ticks = tuple((_LEFT + time * scale, text(time)) for time in times)
    return TimelineChart(WIDTH, base + 22, _LEFT, base, tuple(tracks), ticks)


def _strokes(bars: Iterable[Bar], y: float, scale: float) -> str:
    """Return one path for all bars, with a gap between two that touch."""
    return "".join(
        f"M{_LEFT + bar.started * scale:.1f} {y:g}h{max(_LEAST, bar.seconds * scale - _GAP):.1f}" for bar in bars
    )
