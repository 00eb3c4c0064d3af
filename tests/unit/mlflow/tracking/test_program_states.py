"""States of programs that are kept: those of scopes that have ended, and of scopes whose end never comes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otel_dspy.mlflow.tracking.state import program_states
from otel_dspy.mlflow.tracking.state.program_states import ProgramStates

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two open scopes and two that have ended are kept."""
    monkeypatch.setattr(program_states, "MAX_OPEN", 2)
    monkeypatch.setattr(program_states, "MAX_ENDED", 2)


def _kept(states: ProgramStates[str], number: int) -> list[str]:
    return [scope for scope in map(str, range(number)) if states.state(scope, "p") is not None]


def _killed(states: ProgramStates[str], scope: str) -> None:
    """The program is killed: no end comes."""


def _ended(states: ProgramStates[str], scope: str) -> None:
    states.forget(scope)


@pytest.mark.parametrize("end", [_killed, _ended])
def test_the_oldest_scopes_are_dropped(end: Callable[[ProgramStates[str], str], None]) -> None:
    """With what waits in them; the latest are as they were."""
    dropped: list[str] = []
    states: ProgramStates[str] = ProgramStates(dropped.append)
    for number in range(5):
        scope = str(number)
        states.keep(scope, "p", "{}", initial=True)
        states.wait(scope, "missing", f"waits in {number}")
        end(states, scope)
    assert _kept(states, 5) == ["3", "4"]
    assert dropped == ["waits in 0", "waits in 1", "waits in 2"]
    assert [states.initial_id(scope) for scope in ("2", "3")] == ["", "p"]
    assert states.keep("4", "missing", "{}") == ["waits in 4"]


def test_ended_scopes_leave_room_for_open_ones() -> None:
    """What comes late for a scope that has ended does not open it again."""
    states: ProgramStates[str] = ProgramStates(pytest.fail)
    for scope in ("0", "1"):
        states.keep(scope, "p", "{}")
    states.forget("0")
    states.keep("0", "late", "{}")
    states.keep("2", "p", "{}")
    assert _kept(states, 3) == ["0", "1", "2"]
