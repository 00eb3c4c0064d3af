"""Recorded states of programs, loaded into copies of the user's program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, Self, TypeVar

from otel_dspy.reporting.runs.programs import predictors
from otel_dspy.rerun.errors import RerunError
from otel_dspy.rerun.recorded_fields import check_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Program(Protocol):
    """The part of `dspy.Module` that is used here."""

    def deepcopy(self) -> Self:
        """Return a copy."""
        ...

    def load_state(self, state: dict[str, Any]) -> object:
        """Load the states of the predictors, by path."""
        ...

    def named_predictors(self) -> Iterable[tuple[str, Any]]:
        """Return the predictors by path."""
        ...


AnyProgram = TypeVar("AnyProgram", bound=Program)

RECORD_PROGRAMS = (
    "Programs are recorded with content: otel_dspy.mlflow.autolog() does so, and DSPyInstrumentor().instrument() with "
    "capture_programs=True."
)
"""How to record programs, for messages."""


def loaded(program: AnyProgram, state: Mapping[str, Any], source: str) -> AnyProgram:
    """Return a copy of a program with a recorded state.

    Language models are not part of the record; the copy's predictors keep those of the given program.

    Args:
        program: a program with the predictors of the recorded one. It is not changed.
        state: the recorded state, as `dspy.Module.save` writes it.
        source: what the state is of, for messages.

    Raises:
        RerunError: The recorded program has other predictors, or other fields at their places.
    """
    recorded = {predictor.name for predictor in predictors(state)}
    own = {name for name, _ in program.named_predictors()}
    if recorded != own:
        raise RerunError(
            f"The program of {source} has the predictors {_names(recorded)}; the given one has {_names(own)}. Pass a "
            "program that is built as the optimized one was."
        )
    check_fields(state, program.named_predictors(), source)
    copy = program.deepcopy()
    models = {name: getattr(predictor, "lm", None) for name, predictor in copy.named_predictors()}
    copy.load_state(dict(state))
    for name, predictor in copy.named_predictors():
        predictor.lm = models[name]
    return copy


def _names(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"
