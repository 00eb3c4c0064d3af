"""Trials of each compile, collected in any order so that the summary of the compile is complete."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.records.span_records import CompileRecord, TrialRecord
from otel_dspy.runtime.bounded_dict import BoundedDict

if TYPE_CHECKING:
    from otel_dspy.mlflow.records.span_records import Fact

MAX_ENDED: Final = 64
"""Maximum number of remembered ended compiles, for late or duplicate spans."""


@dataclass(frozen=True, slots=True)
class EndedCompile:
    """An ended compile, and its trials so far by index."""

    done: CompileRecord
    trials: tuple[TrialRecord, ...]


class CompileLedger:
    """Trials and ends by compile. Program states, tables and attributes are not kept."""

    def __init__(self) -> None:
        self._trials: dict[str, dict[int, TrialRecord]] = {}
        self._ended: BoundedDict[str, CompileRecord] = BoundedDict(
            MAX_ENDED, lambda compile_id, _: self._trials.pop(compile_id, None)
        )

    def add(self, fact: Fact) -> EndedCompile | None:
        """Add a record; return the compile whose summary it belongs to, if that has ended."""
        if isinstance(fact, TrialRecord):
            compile_id = fact.compile_id
            light = replace(
                fact,
                program_state=None,
                candidate=None,
                scores=None,
                pareto_front=None,
                span=replace(fact.span, attributes={}),
            )
            self._trials.setdefault(compile_id, {})[fact.index] = light
        elif isinstance(fact, CompileRecord):
            compile_id = fact.identity.compile_id
            self._ended[compile_id] = replace(fact, program_state=None, span=replace(fact.span, attributes={}))
        else:
            return None
        done = self._ended.get(compile_id)
        if done is None:
            return None
        found = self._trials.get(compile_id, {})
        return EndedCompile(done, tuple(found[index] for index in sorted(found)))
