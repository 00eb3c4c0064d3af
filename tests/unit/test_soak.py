"""`benchmarks.soak` finds what is not flat, not there or not ended: its verdict is what the hour is run for."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import soak

HELD = {"traces": 9, "open traces": 0, "runs": 4, "open runs": 0}


def rows(memory: float = 100.0, threads: int = 10, files: int = 20) -> list[dict[str, Any]]:
    """A process that is flat until its last fifth, and is so then."""
    flat = [(float(second), 100.0, 10, 20) for second in range(80)]
    return [soak.row("worker", [*flat, *((float(second), memory, threads, files) for second in range(80, 101))])]


def found(given: list[dict[str, Any]], left: int = 0, lost: int = 0, **held: int) -> list[str]:
    """What the soak would say."""
    stored = {soak.IN_PROCESS: {soak.EXPERIMENT: HELD}, soak.BY_BRIDGES: {soak.EXPERIMENT: HELD | held}}
    return soak.troubles(given, stored, {"worker": {"lost": lost, "traces": 9}}, left)


@pytest.mark.parametrize(
    ("late", "messages"),
    [
        ({}, []),
        ({"memory": 109.0, "threads": 12, "files": 26}, []),
        ({"memory": 111.0}, ["worker: memory grows from 100 to 111 MiB"]),
        ({"threads": 13}, ["worker: threads grow from 10 to 13"]),
        ({"files": 27}, ["worker: file descriptors grow from 20 to 27"]),
    ],
)
def test_what_is_not_flat_is_found(late: dict[str, Any], messages: list[str]) -> None:
    """The last fifth of the time beside the second one: the first is the warm-up."""
    assert found(rows(**late)) == messages


def test_what_is_missing_or_open_is_found() -> None:
    """A trace that one MLflow lacks, a run that is open, a span that was dropped, a file in the spool."""
    assert len(found(rows(), traces=8)) == len(found(rows(), **{"open runs": 1})) == 1
    assert found(rows(), lost=3) == ["the worker has lost 3 spans"]
    assert found(rows(), left=2) == ["2 files are left in the spool"]
