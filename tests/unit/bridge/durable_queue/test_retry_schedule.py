"""When failed requests are attempted again."""

from __future__ import annotations

from otel_dspy.bridge.durable_queue.interrupted_requests import InterruptedRequests
from otel_dspy.bridge.durable_queue.retry_schedule import RetrySchedule
from otel_dspy.mlflow.records.route import Destination, Experiment

A, B = (frozenset({Destination("http://m", Experiment(name=name))}) for name in "AB")


class Clock:
    """A clock that stands still."""

    now = 100.0

    def __call__(self) -> float:
        """Its time."""
        return self.now


def test_one_request_of_a_destination_is_attempted_and_releases_the_others() -> None:
    """After 2 s, then 4 s; another destination has its own pauses."""
    clock = Clock()
    schedule = RetrySchedule(clock)
    for number in (1, 2, 3):
        assert schedule.failed(number, A) == 0.0
    assert (schedule.next(), schedule.seconds()) == (None, 2.0)
    clock.now += 1.0
    schedule.failed(4, B)
    clock.now += 1.0
    assert (schedule.next(), schedule.next(), schedule.seconds()) == (1, None, 1.0)
    assert schedule.failed(1, A) == 2.0
    assert schedule.seconds() == 1.0
    clock.now += 4.0
    assert (schedule.next(), schedule.next(), schedule.next()) == (2, 4, None)
    schedule.ended(2)
    assert schedule.seconds() == 0.0
    assert (schedule.next(), schedule.next(), schedule.next()) == (3, 1, None)
    schedule.ended(4)
    assert schedule.seconds() is None


def test_pauses_are_bounded() -> None:
    """By two minutes."""
    clock = Clock()
    schedule = RetrySchedule(clock)
    for _ in range(10):
        schedule.failed(1, A)
        clock.now += schedule.seconds() or 0.0
        assert schedule.next() == 1
    schedule.failed(1, A)
    assert schedule.seconds() == 120.0


def test_an_attempt_that_fails_elsewhere_leaves_its_group_due() -> None:
    """The rest of the group is attempted after its pause."""
    clock = Clock()
    schedule = RetrySchedule(clock)
    schedule.failed(1, A)
    schedule.failed(2, A)
    clock.now += 2.0
    assert schedule.next() == 1
    schedule.failed(1, B)
    clock.now += 4.0
    assert {schedule.next(), schedule.next()} == {1, 2}


def test_a_request_that_always_breaks_the_commit_is_given_up() -> None:
    """Each is attempted alone; those that were only committed with it are not given up."""
    clock = Clock()
    interrupted = InterruptedRequests(clock)
    assert interrupted.failed(1)
    assert interrupted.failed(2)
    attempts: list[int] = []
    given_up: list[int] = []
    while interrupted.seconds() is not None:
        clock.now += interrupted.seconds() or 0.0
        assert interrupted.wants()
        attempts.append(interrupted.next())
        assert not interrupted.wants()
        if attempts[-1] == 1 and not interrupted.failed(1):
            given_up.append(1)
        interrupted.ended(2)
    assert (attempts, given_up) == ([1, 2, 1, 1], [1])
