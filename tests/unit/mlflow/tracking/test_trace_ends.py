"""Of several ends of a trace, the one whose root has no remote parent takes precedence."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from otel_dspy.mlflow.mapping.trace_operations import LogTrace
from otel_dspy.mlflow.tracking.state.compile_state_lookup import StateLookup
from otel_dspy.mlflow.tracking.store.store_reader import FoundTraceInfo, StoreReader
from otel_dspy.mlflow.tracking.store.traces.trace_ends import end_of, noted_end
from otel_dspy.mlflow.tracking.traces.merged_infos import merged

CALLER = LogTrace(
    key="caller",
    trace_id="t",
    run=None,
    root_id="c",
    remote=False,
    start_ms=100,
    duration_ms=50,
    state="OK",
    name="caller",
)
CALLED = LogTrace(
    key="called",
    trace_id="t",
    run=None,
    root_id="b",
    remote=True,
    start_ms=90,
    duration_ms=5,
    state="ERROR",
    name="called",
)
"""Of a process whose clock is behind: it seems to begin before its caller."""
ALSO_CALLED = replace(CALLED, key="also", root_id="a", start_ms=120, name="also called")
EARLIER = replace(CALLED, key="earlier", remote=False, root_id="d", start_ms=80, name="earlier")
"""Another root without a parent, which began before the caller."""
BEGINNING = LogTrace(key="setup", trace_id="t", run=None, start_ms=70)


def shown(info: LogTrace) -> tuple[str | None, str | None, int, int | None]:
    """What the trace's info shows of how it ended."""
    return (info.name, info.state, info.start_ms, info.duration_ms)


@pytest.mark.parametrize(
    "infos",
    list(permutations([CALLER, CALLED, ALSO_CALLED, BEGINNING])),
    ids=lambda infos: "-".join(info.key for info in infos),
)
def test_the_end_of_the_caller_is_the_end_of_the_trace(infos: tuple[LogTrace, ...]) -> None:
    """In whatever order they come: a process that was called ends its own part, even if it seems to begin earlier."""
    found = infos[0]
    for info in infos[1:]:
        found = merged(found, info)
    assert shown(found) == ("caller", "OK", 100, 50)


@pytest.mark.parametrize(
    ("infos", "winner"),
    [((CALLER, EARLIER), "earlier"), ((CALLED, ALSO_CALLED), "called"), ((CALLED, replace(CALLED, root_id="a", name="first by id")), "first by id")],
    ids=["local", "remote", "same instant"],
)  # fmt: skip
def test_among_equals_the_first_to_begin(infos: tuple[LogTrace, LogTrace], winner: str) -> None:
    """Among local ends and among remote ones; of two at the same instant always the same one."""
    assert merged(*infos).name == winner
    assert merged(*reversed(infos)).name == winner


def metadata(*infos: LogTrace) -> dict[str, str]:
    """What MLflow holds of a trace to which each of these was written."""
    noted: dict[str, str] = {"mlflow.sourceRun": "r"}
    for info in infos:
        end = end_of(info)
        assert end is not None
        noted |= end.metadata
    return noted


@pytest.mark.parametrize(
    "infos", list(permutations([CALLER, CALLED, ALSO_CALLED])), ids=lambda infos: "-".join(info.key for info in infos)
)
def test_the_end_of_the_caller_is_found_among_those_noted(infos: tuple[LogTrace, ...]) -> None:
    """By whichever writer, after all were written."""
    assert noted_end(metadata(*infos)) == end_of(CALLER)
    assert end_of(BEGINNING) is None
    assert noted_end({}) is None


class _OneTraceInfo(StoreReader):
    """A store with one trace."""

    def __init__(self, info: FoundTraceInfo | None) -> None:
        self._info = info

    def trace_info(self, trace_id: str) -> FoundTraceInfo | None:
        return self._info if trace_id == "t" else None


def looking_at(*infos: LogTrace) -> StateLookup:
    """A look at MLflow after these were written, the last one last."""
    last = infos[-1]
    found = FoundTraceInfo(last.state, last.start_ms, last.duration_ms, last.name, noted_end(metadata(*infos)))
    reader = _OneTraceInfo(found)
    return StateLookup(lambda: reader, lambda: "0")


def test_a_writer_does_not_take_back_the_end_of_the_caller() -> None:
    """Of another process' end or of none it writes the caller's; of the caller's own it changes nothing."""
    there = looking_at(CALLED, CALLER)
    assert shown(there.completed(CALLED)) == shown(CALLER)
    assert shown(there.completed(BEGINNING)) == shown(CALLER)
    assert shown(there.completed(CALLER)) == shown(CALLER)
    assert not there.overwritten("t")
    assert looking_at(CALLER, CALLED).overwritten("t")


def test_the_caller_ends_what_another_process_has_ended() -> None:
    """Its end is written over that of the process that it called."""
    assert shown(looking_at(CALLED).completed(CALLER)) == shown(CALLER)
