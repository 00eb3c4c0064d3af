"""Identity of the runs that operations are applied to: by what they record, not by MLflow's id."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CompileRun:
    """The run of one compile."""

    compile_id: str


@dataclass(frozen=True, slots=True)
class TrialRun:
    """The run of one trial; a child of its compile's run if that is logged."""

    compile_id: str
    index: int
    parent: CompileRun | None


@dataclass(frozen=True, slots=True)
class EvaluateRun:
    """The run of a stand-alone evaluation."""

    trace_id: str
    span_id: str


@dataclass(frozen=True, slots=True)
class UserRun:
    """A run that the user opened; otel-dspy never ends it."""

    run_id: str


RunKey = CompileRun | TrialRun | EvaluateRun | UserRun
