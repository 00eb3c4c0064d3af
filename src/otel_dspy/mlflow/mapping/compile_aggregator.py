"""Aggregation of each compile's trials and phases, in any order, for its summary."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.records.span_records import CompileRecord, PhaseRecord, TrialRecord
from otel_dspy.runtime.bounded_dict import BoundedDict

if TYPE_CHECKING:
    from otel_dspy.mlflow.records.span_records import Record

MAX_OPEN: Final = 1024
"""Maximum number of compiles whose trials or phases are kept: a bridge never receives the ends of programs that were
killed.
"""
MAX_ENDED: Final = 64
"""Maximum number of remembered ended compiles, for late or duplicate spans."""

MAX_PHASES: Final = 1000
"""Maximum number of phases of a compile that are kept: some optimizers have several in each trial."""


@dataclass(frozen=True, slots=True)
class EndedCompile:
    """An ended compile, with its trials so far by index and its phases by their start."""

    done: CompileRecord
    trials: tuple[TrialRecord, ...]
    phases: tuple[PhaseRecord, ...] = ()


class CompileAggregator:
    """Collects trials, phases and ends by compile, without program states, tables and attributes."""

    def __init__(self) -> None:
        self._trials: BoundedDict[str, dict[int, TrialRecord]] = BoundedDict(MAX_OPEN)
        self._ended: BoundedDict[str, CompileRecord] = BoundedDict(
            MAX_ENDED, lambda compile_id, _: self._forget(compile_id)
        )
        self._phases: BoundedDict[str, dict[str, PhaseRecord]] = BoundedDict(MAX_OPEN)

    def _forget(self, compile_id: str) -> None:
        self._trials.pop(compile_id, None)
        self._phases.pop(compile_id, None)

    def add(self, record: Record) -> EndedCompile | None:
        """Add a record; return the compile whose summary it belongs to, if that has ended."""
        if isinstance(record, TrialRecord):
            compile_id = record.compile_id
            light = replace(
                record,
                program_state=None,
                candidate=None,
                scores=None,
                pareto_front=None,
                span=replace(record.span, attributes={}),
            )
            self._trials.setdefault(compile_id, {})[record.index] = light
        elif isinstance(record, CompileRecord):
            compile_id = record.identity.compile_id
            self._ended[compile_id] = replace(record, program_state=None, span=replace(record.span, attributes={}))
        elif isinstance(record, PhaseRecord) and record.compile_id is not None:
            phase = replace(record, instructions=None, demos=None, span=replace(record.span, attributes={}))
            phases = self._phases.setdefault(record.compile_id, {})
            if len(phases) < MAX_PHASES:
                phases[record.span.span_id] = phase
            return None
        else:
            return None
        done = self._ended.get(compile_id)
        if done is None:
            return None
        found = self._trials.get(compile_id, {})
        phases = sorted(self._phases.get(compile_id, {}).values(), key=lambda phase: phase.span.start_ns)
        return EndedCompile(done, tuple(found[index] for index in sorted(found)), tuple(phases))
