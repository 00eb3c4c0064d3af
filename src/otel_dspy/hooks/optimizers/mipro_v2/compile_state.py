"""State of a MIPROv2 compile: its seed, and Optuna's choices by candidate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.telemetry.optimizer_hook_state import StateKey

if TYPE_CHECKING:
    from otel_dspy.telemetry.open_scopes import CompileScope

_STATE: Final[StateKey[CompileState]] = StateKey("MIPROv2")


@dataclass(frozen=True, slots=True)
class Choice:
    """Parameters that Optuna chose for a candidate. The label holds MIPROv2's trial number, the key of `trial_logs`."""

    candidate: Any
    label: str
    parameters: dict[str, Any]


@dataclass(slots=True)
class CompileState:
    """State of a compile.

    Attributes:
        seed: the seed that MIPROv2 uses.
        minibatch: whether candidates are scored on minibatches.
        full_evaluation: whether a periodic full evaluation runs.
        choices: Optuna's choices by the `id` of the candidate program.
    """

    seed: Any = None
    minibatch: bool = False
    full_evaluation: bool = False
    choices: dict[int, Choice] = field(default_factory=dict[int, Choice])


def compile_state(scope: CompileScope) -> CompileState:
    """Return the state of a compile, which is created at the first call."""
    return scope.state.get_or_create(_STATE, CompileState)
