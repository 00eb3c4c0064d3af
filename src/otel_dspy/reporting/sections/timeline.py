"""Start and end of trials and phases."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from otel_dspy.reporting.compile_result import Compile

_NOTABLE: Final = 0.05
_MINUTE: Final = 60.0


@dataclass(frozen=True)
class Bar:
    """A period, in seconds after the start of the optimization."""

    started: float
    seconds: float
    is_winner: bool = False

    @property
    def ended(self) -> float:
        """End of the period, in seconds after the start of the optimization."""
        return self.started + self.seconds


@dataclass(frozen=True)
class Track:
    """The trials, or the phases of one name."""

    name: str
    bars: tuple[Bar, ...]
    seconds: float
    """Time in which at least one of them ran."""


@dataclass(frozen=True)
class Timeline:
    """All tracks; the trials come first."""

    duration: float
    tracks: tuple[Track, ...]
    outside: float
    """Seconds in which no trial ran, as precise as the duration is shown: with those of the trials it is all of it."""
    phases_outside: tuple[tuple[str, float], ...]
    """Phases that ran in at least 5 % of `outside`, with the seconds of it, the longest first; they may overlap."""
    longest: int
    """Index of the trial that took longest."""


def timeline(found: Compile) -> Timeline | None:
    """Return the timeline; None without the start of a trial."""
    trials = [(trial, trial.started) for trial in found.trials if trial.started is not None]
    if not trials:
        return None
    bars = [Bar(started, trial.row.seconds, trial.row.index == found.best_trial) for trial, started in trials]
    by_name: dict[str, list[Bar]] = {}
    for phase in found.phases:
        by_name.setdefault(phase.name, []).append(Bar(phase.started, phase.seconds))
    tracks = [_track("trials", bars), *(_track(name, phases) for name, phases in by_name.items())]
    duration = max(found.duration, *(bar.ended for track in tracks for bar in track.bars))
    longest = max(trials, key=lambda one: one[0].row.seconds)[0]
    places = 1 if duration < _MINUTE else 0
    outside = max(0.0, round(duration, places) - round(tracks[0].seconds, places))
    alone = [(track.name, _track(track.name, [*bars, *track.bars]).seconds - tracks[0].seconds) for track in tracks[1:]]
    phases = tuple(sorted((one for one in alone if one[1] >= _NOTABLE * outside > 0), key=lambda one: -one[1]))
    return Timeline(duration, tuple(tracks), outside, phases, longest.row.index)


def _track(name: str, bars: Iterable[Bar]) -> Track:
    ordered = sorted(bars, key=lambda bar: bar.started)
    total, until = 0.0, 0.0
    for bar in ordered:
        total += max(0.0, bar.ended - max(bar.started, until))
        until = max(until, bar.ended)
    return Track(name, tuple(ordered), total)
