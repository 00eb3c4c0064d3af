"""CPU throttle: the delivery thread uses the CPU time that the program leaves idle."""

from __future__ import annotations

import pytest

from otel_dspy.mlflow.delivery.cpu_throttle import LEAST, LONGEST, MOST, CpuThrottle


class Machine:
    """A CPU shared by a program with demand `demand` and a throttled thread."""

    def __init__(self, demand: float) -> None:
        self.demand = demand
        self.wall = self.program = self.own = 0.0

    def work(self, seconds: float) -> None:
        """Run the thread for `seconds` of CPU time; both alternate, so it takes longer the higher the demand."""
        elapsed = (
            max(seconds * 2, seconds / max(1 - self.demand, 0.5)) if self.demand >= 0.5 else seconds / (1 - self.demand)
        )
        self.wall += elapsed
        self.own += seconds
        self.program += elapsed - seconds

    def rest(self, seconds: float) -> None:
        """The thread rests."""
        self.wall += seconds
        self.program += seconds * self.demand


def share_of_thread(demand: float) -> float:
    """Part of the processor that the thread gets in the long run beside such a program."""
    machine = Machine(demand)
    courtesy = CpuThrottle(lambda: machine.wall, lambda: machine.program + machine.own, lambda: machine.own)
    while machine.wall < 60:
        machine.work(0.03)
        machine.rest(courtesy.rest())
    return machine.own / machine.wall


def test_a_program_that_waits_is_no_reason_to_rest() -> None:
    """Beside a program that waits for its model the thread works all the time."""
    assert share_of_thread(0.0) == pytest.approx(1.0)


def test_a_program_that_computes_keeps_the_processor() -> None:
    """Beside a program that always computes the thread gets its minimum share."""
    assert share_of_thread(1.0) == pytest.approx(LEAST, abs=0.02)


@pytest.mark.parametrize("demand", [0.2, 0.3, 0.4])
def test_a_program_that_computes_now_and_then_gets_what_it_wants(demand: float) -> None:
    """What the program wants it has, and the thread the rest of what both may use."""
    assert share_of_thread(demand) == pytest.approx(MOST - demand, abs=0.12)


def test_a_rest_has_an_end() -> None:
    """However long a request has kept the processor, the next rest is short."""
    times = iter([(0.0, 0.0, 0.0), (60.0, 60.0, 30.0)])
    now = next(times)

    def clock(index: int) -> float:
        return now[index]

    courtesy = CpuThrottle(lambda: clock(0), lambda: clock(1), lambda: clock(2))
    assert courtesy.rest() == 0.0
    now = next(times)
    assert courtesy.rest() == LONGEST
