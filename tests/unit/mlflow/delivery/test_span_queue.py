"""Span queue and spool segments: after any sequence of events a span is in memory, on disk, or confirmed."""

from __future__ import annotations

import errno
import math
import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from otel_dspy.environment.variable_names import SPOOL_DIR
from otel_dspy.mlflow.delivery import queued_lines, span_queue, spool_line
from otel_dspy.mlflow.delivery.span_queue import SpanQueue
from otel_dspy.mlflow.delivery.spool_segments import SpoolSegments
from otel_dspy.mlflow.records.route import RootKind
from tests.unit.mlflow.delivery.disks import FullDisk
from tests.unit.mlflow.delivery.queued_spans import route, span

if TYPE_CHECKING:
    from collections.abc import Iterable

SEGMENT = 1_500
"""Bytes after which a file is full: two or three lines."""


def stored(paths: Iterable[Path]) -> list[str]:
    """Names of the spans in the files. Every line has to be whole, and of a span."""
    found: list[str] = []
    for path in paths:
        content = path.read_bytes()
        assert content.endswith(b"\n")
        for line in content.splitlines():
            parsed = spool_line.parse_line(line)
            assert parsed is not None
            found.append(parsed[0].name)
    return found


class SpanQueueMachine(RuleBasedStateMachine):
    """Puts, takes, writes, confirms and full disks in any order, compared with a list of the spans."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        patches = [
            mock.patch.dict(os.environ, {SPOOL_DIR: str(self.folder)}),
            mock.patch("otel_dspy.mlflow.delivery.spool_segments.SEGMENT_BYTES", SEGMENT),
            mock.patch.object(queued_lines, "WRITE_AT_ONCE", SEGMENT // 2),
            mock.patch.object(span_queue, "READ_AT_ONCE", 2),
        ]
        for patch in patches:
            patch.start()
        self._patches = patches
        self.put_names: list[str] = []
        self.taken = 0
        self.confirmed = 0
        self.dropped: set[str] = set()
        """Confirmed while the disk took nothing: not owed to it any more."""

    @initialize(max_spans=st.integers(1, 4), hold=st.booleans())
    def start(self, max_spans: int, *, hold: bool) -> None:
        """An empty queue; `hold`: what is confirmed stays on disk all the same."""
        self.queue = SpanQueue(
            SpoolSegments("20261128T000000Z-1-1", "traces"), max_spans=max_spans, max_characters=10_000
        )
        self.queue.hold = hold

    def teardown(self) -> None:
        """Close the files and remove them."""
        self.queue.abandon()
        for patch in self._patches:
            patch.stop()
        shutil.rmtree(self.folder)

    @rule(size=st.sampled_from([0, 10, 900]), count=st.integers(1, 3))
    def put(self, size: int, count: int) -> None:
        """Spans end."""
        for _ in range(count):
            number = len(self.put_names) + 2
            self.queue.put(span(7, number, text="x" * size), route(RootKind.EXAMPLE, 7), size)
            self.put_names.append(f"7/{number}")

    @rule()
    def take(self) -> None:
        """The oldest span not taken is returned, whether it is in memory or on disk."""
        record = self.queue.take()
        expected = self.put_names[self.taken] if self.taken < len(self.put_names) else None
        assert (record and record.decoded().name) == expected
        self.taken += record is not None

    @rule(left=st.sampled_from([0, 0, 0, 1, 2]))
    def persist(self, left: int) -> None:
        """Everything but the newest ones is written."""
        self.queue.persist(math.inf, self.queue.next_number - left)
        assert self.queue.write_error is None
        if self.queue.hold:
            wanted = set(self.put_names[: max(0, len(self.put_names) - left)])
            assert wanted - self.dropped <= set(stored(self.queue.paths))

    @rule(room=st.integers(0, 2_000))
    def persist_on_a_full_disk(self, room: int) -> None:
        """The disk accepts `room` bytes, the last write partially, and then none."""
        with FullDisk(room):
            self.queue.persist(math.inf, self.queue.next_number)

    @precondition(lambda self: self.taken > self.confirmed)
    @rule()
    def confirm(self) -> None:
        """MLflow has acknowledged all taken spans."""
        if self.queue.write_error or not self.queue.hold:
            held = set(stored(self.queue.paths))
            self.dropped |= {name for name in self.put_names[: self.taken] if name not in held}
        self.queue.confirm()
        self.confirmed = self.taken

    @invariant()
    def nothing_is_lost_or_twice(self) -> None:
        """Each span that MLflow is not known to have is on disk, once, or counted as unwritten."""
        waiting = self.put_names[self.confirmed :]
        times = Counter(stored(self.queue.paths))
        assert set(times.values()) <= {1}
        assert self.queue.waiting == len(waiting)
        assert self.queue.unwritten == sum(name not in times for name in waiting)
        assert self.queue.size == sum(path.stat().st_size for path in self.queue.paths)

    @invariant()
    def what_is_confirmed_goes(self) -> None:
        """No file is left in which everything is confirmed, unless it is to be kept."""
        if self.queue.hold:
            return
        done = set(self.put_names[: self.confirmed])
        assert [path for path in self.queue.paths if done.issuperset(stored([path]))] == []

    @invariant()
    def numbers_are_dense(self) -> None:
        """The next number is the count of spans, and the oldest waiting one follows those taken."""
        assert (self.queue.next_number, self.queue.next_waiting) == (len(self.put_names), self.taken)


TestSpanQueue = SpanQueueMachine.TestCase
TestSpanQueue.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SpanQueue:
    """A queue of two spans, whose files hold one or two lines each."""
    monkeypatch.setenv(SPOOL_DIR, str(tmp_path))
    monkeypatch.setattr("otel_dspy.mlflow.delivery.spool_segments.SEGMENT_BYTES", SEGMENT)
    return SpanQueue(SpoolSegments("20261128T000000Z-1-1", "traces"), max_spans=2, max_characters=10_000)


def _put(queue: SpanQueue, *numbers: int) -> None:
    for number in numbers:
        queue.put(span(7, number), route(RootKind.EXAMPLE, 7), 0)


def test_a_file_stays_while_its_last_span_waits(queue: SpanQueue) -> None:
    """Two spans in a file, the first confirmed: the file goes with the second, not with the first."""
    _put(queue, 2, 3)
    queue.persist(math.inf, queue.next_number)
    for name, left in (("7/2", ["7/2", "7/3"]), ("7/3", [])):
        record = queue.take()
        assert record is not None
        assert record.decoded().name == name
        queue.confirm()
        assert stored(queue.paths) == left


def test_what_exceeds_the_bound_is_on_disk_alone(queue: SpanQueue) -> None:
    """Two of five spans stay in memory."""
    _put(queue, *range(2, 7))
    queue.persist(math.inf, queue.next_number)
    assert (queue.in_memory, queue.waiting, queue.unwritten) == (2, 5, 0)


def test_what_a_full_disk_did_not_take_counts_as_unwritten(queue: SpanQueue) -> None:
    """It is written once there is room again, and counts until then."""
    _put(queue, 2)
    with FullDisk(0):
        queue.persist(math.inf, queue.next_number)
    assert queue.write_error is not None
    assert (queue.unwritten, stored(queue.paths)) == (1, [])
    queue.persist(math.inf, queue.next_number)
    assert (queue.write_error, queue.unwritten, stored(queue.paths)) == (None, 0, ["7/2"])


def test_what_begins_on_disk_alone_in_a_new_file_is_read_back(queue: SpanQueue) -> None:
    """The previous file is full, and deleted once confirmed; the spans after it are still found."""
    _put(queue, 2, 3)
    queue.persist(math.inf, queue.next_number)
    _put(queue, 4)
    queue.persist(math.inf, queue.next_number)
    for number in (2, 3, 4):
        record = queue.take()
        assert record is not None
        assert record.decoded().name == f"7/{number}"
        queue.confirm()
    assert (queue.waiting, queue.paths) == (0, [])


@pytest.fixture
def segments(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SpoolSegments:
    """One whose files hold two lines of ten bytes each."""
    monkeypatch.setenv(SPOOL_DIR, str(tmp_path))
    monkeypatch.setattr("otel_dspy.mlflow.delivery.spool_segments.SEGMENT_BYTES", 20)
    return SpoolSegments("20261128T000000Z-1-1", "control")


def _lines(*numbers: int) -> list[tuple[int, bytes]]:
    return [(number, f'{{"n":{number:3}}}'.encode()) for number in numbers]


def _content(segments: SpoolSegments) -> list[bytes]:
    return [path.read_bytes() for path in segments.paths]


@pytest.mark.parametrize(
    ("done", "left"),
    [(-1, [0, 2, 4]), (0, [0, 2, 4]), (1, [2, 4]), (2, [2, 4]), (3, [4]), (4, []), (9, [])],
)
def test_a_file_goes_when_its_last_record_is_done(segments: SpoolSegments, done: int, left: list[int]) -> None:
    """Not one record earlier, and not one later. `left`: the first record of each file that stays."""
    for number in range(5):
        segments.append(_lines(number))
    files = {2 * number: path for number, path in enumerate(segments.paths)}
    segments.delete_until(done)
    assert segments.paths == [files[number] for number in left]
    assert [path for path in files.values() if path.exists()] == segments.paths


@pytest.mark.parametrize("room", range(20))
def test_half_a_line_is_taken_back(segments: SpoolSegments, room: int) -> None:
    """The disk accepts a part of two lines: it is truncated, and the next lines are complete."""
    segments.append(_lines(0))
    with FullDisk(room), pytest.raises(OSError, match="No space left"):
        segments.append(_lines(1, 2))
    assert _content(segments) == [b'{"n":  0}\n']
    segments.append(_lines(1, 2))
    assert _content(segments) == [b'{"n":  0}\n{"n":  1}\n{"n":  2}\n']
    assert segments.size == 30


def test_a_disk_that_takes_a_write_in_parts(segments: SpoolSegments) -> None:
    """`write` may take less than it is given without an error: the rest follows."""
    with FullDisk(1_000, at_once=7):
        segments.append(_lines(0, 1, 2))
    assert _content(segments) == [b'{"n":  0}\n{"n":  1}\n{"n":  2}\n']


def test_half_a_line_that_cannot_be_taken_back_is_not_continued(segments: SpoolSegments) -> None:
    """A full disk may not even truncate: the file ends there, as after a crash, and a new one is begun."""
    segments.append(_lines(0))
    with FullDisk(5, truncates=False), pytest.raises(OSError, match="No space left"):
        segments.append(_lines(1))
    place = segments.end
    segments.append(_lines(1, 2))
    assert _content(segments) == [b'{"n":  0}\n{"n":', b'{"n":  1}\n{"n":  2}\n']
    assert segments.read(place, 9, 99)[0] == [b'{"n":  1}\n', b'{"n":  2}\n']
    segments.delete_until(1)
    assert len(segments.paths) == 1
    segments.delete_until(2)
    assert segments.paths == []


def test_a_disk_that_is_full_before_the_first_line_leaves_no_file_behind(
    segments: SpoolSegments, tmp_path: Path
) -> None:
    """An empty file is no segment, and what is written later goes into it."""
    with FullDisk(0), pytest.raises(OSError, match="No space left"):
        segments.append(_lines(0))
    assert (segments.paths, segments.size) == ([], 0)
    segments.append(_lines(0))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b'{"n":  0}\n']


def test_full_disk_fixture_is_full(tmp_path: Path) -> None:
    """The fault itself: a short write first, then ENOSPC; other descriptors are not affected."""
    with (tmp_path / "file").open("wb") as file:
        with FullDisk(3):
            assert os.write(file.fileno(), b"abcde") == 3
            with pytest.raises(OSError, match="No space left") as raised:
                os.write(file.fileno(), b"de")
        assert raised.value.errno == errno.ENOSPC
        assert os.write(file.fileno(), b"de") == 2


def test_spans_behind_a_file_that_was_never_written_to_are_read() -> None:
    """A new file that the disk has no room for is deleted; the spans in the file after it are read all the same."""
    state = SpanQueueMachine()
    try:
        state.start(max_spans=1, hold=False)
        state.put(size=0, count=3)
        state.persist_on_a_full_disk(room=1856)  # for two of the three lines
        state.take()
        state.confirm()
        state.persist(left=0)
        for _ in range(2):
            state.take()
            state.confirm()
        assert state.taken == 3
    finally:
        state.teardown()
