"""Recorded calls by request, with more that are read when they are needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otel_dspy.rerun.calls_by_request import Recordings
from otel_dspy.rerun.recorded_call import Answer, Choice, RecordedCall, Request

if TYPE_CHECKING:
    from collections.abc import Iterator


def call(question: str, answer: str, start_ns: int = 1, model: str = "openai/a") -> RecordedCall:
    """A recorded call."""
    return RecordedCall(start_ns, Request(model, (("user", question),), {}), Answer((Choice(answer),)), "here")


def test_the_rest_is_read_again_after_an_error() -> None:
    """A call that the store has is not unknown because one read of it failed, and none is counted twice."""
    errors = [ConnectionError("reset")]

    def rest() -> Iterator[RecordedCall]:
        yield call("2+2", "4")
        if errors:
            raise errors.pop()
        yield call("3+3", "6")

    recordings = Recordings([call("1+1", "2")], rest)
    with pytest.raises(ConnectionError, match="reset"):
        recordings.known(call("3+3", "").request)
    assert dict(recordings.models) == {"openai/a": 1}
    answers = [recordings.known(call(question, "").request) for question in ("2+2", "3+3", "1+1")]
    assert [answer and answer.choices[0].text for answer in answers] == ["4", "6", "2"]
    assert (dict(recordings.models), recordings.answered, recordings.unknown) == ({"openai/a": 3}, 3, 0)


def test_the_rest_is_read_once() -> None:
    """Neither for a known call, nor for a second unknown one."""
    reads: list[int] = []

    def rest() -> Iterator[RecordedCall]:
        reads.append(len(reads))
        yield call("2+2", "4", model="openai/b")

    recordings = Recordings([call("1+1", "two", 2), call("1+1", "2", 1)], rest)
    assert [recordings.answer(call("1+1", "").request).choices[0].text for _ in range(3)] == ["2", "two", "two"]
    assert reads == []
    assert recordings.has("openai/b")
    assert recordings.known(call("3+3", "").request) is None
    assert recordings.known(call("4+4", "").request) is None
    assert (reads, recordings.unknown) == ([0], 2)
