"""Comparison of examples with the start where it is scored last, as by SIMBA: tags of traces that were logged before.

An example that was scored after the start has the start's score on its span; see `score_changes`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from otel_dspy.formatting.trial_values import BASELINE
from otel_dspy.mlflow.mapping import naming
from otel_dspy.mlflow.mapping.context import logs_traces
from otel_dspy.mlflow.mapping.trace_operations import TagTrace
from otel_dspy.mlflow.mapping.traces.score_changes import change, counted_score
from otel_dspy.mlflow.records.route import RootKind
from otel_dspy.mlflow.records.span_records import CompileRecord, ExampleRecord, TrialRecord
from otel_dspy.runtime.bounded_dict import BoundedDict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_dspy.mlflow.records.route import Route
    from otel_dspy.mlflow.records.span_records import Record

MAX_COMPILES: Final = 8
MAX_EXAMPLES: Final = 10_000
"""Maximum number of examples of a compile that are kept."""


class _Scored(NamedTuple):
    """An example of a trial."""

    trial: int
    example: str
    score: float
    trace_id: str | None
    """None if it is not a trace of its own."""
    span_id: str


@dataclass(slots=True)
class _Compile:
    start: int | None = None
    """The trial that scored the program before optimization."""
    start_scores: dict[str, float] = field(default_factory=dict[str, float])
    waiting: dict[str, list[_Scored]] = field(default_factory=dict[str, "list[_Scored]"])
    """Examples, by id, that the start is not known to have scored."""
    kept: int = 0


class LateStartScores:
    """Keeps the scores of examples until the start's are known, whatever the order of the spans."""

    def __init__(self) -> None:
        self._compiles: BoundedDict[str, _Compile] = BoundedDict(MAX_COMPILES)

    def add(self, record: Record, route: Route) -> Iterator[TagTrace]:
        """Add a record; yield tags, `improved` or `worse`, of the traces that it allows to compare with the start.

        Args:
            record: the decoded span.
            route: its destination, trace and options.
        """
        match record:
            case TrialRecord(kind=kind, score=float(), state="complete") if kind == BASELINE:
                yield from self._started(record)
            case ExampleRecord(
                compile_id=str(compile_id),
                trial=int(trial),
                example_id=str(example_id),
                initial_score=None,
                within_example=False,
            ):
                if (score := counted_score(record)) is not None:
                    trace_id = _own_trace(record, route)
                    scored = _Scored(trial, example_id, score, trace_id, record.span.span_id)
                    yield from self._scored(compile_id, scored)
            case CompileRecord():
                known = self._compiles.get(record.identity.compile_id)
                # Of a compile whose start has not been scored, or has been before its other examples were.
                if known is not None and (known.start is None or known.start_scores):
                    known.waiting.clear()
            case _:
                pass

    def _of(self, compile_id: str) -> _Compile:
        known = self._compiles.get(compile_id)
        if known is None:
            known = self._compiles[compile_id] = _Compile()
        return known

    def _started(self, trial: TrialRecord) -> Iterator[TagTrace]:
        known = self._of(trial.compile_id)
        if known.start is not None:
            return
        known.start = trial.index
        for waiting in [*known.waiting.values()]:
            for one in waiting:
                if one.trial == trial.index:
                    known.start_scores.setdefault(one.example, one.score)
        for example in [*known.waiting]:
            yield from _resolved(known, example)

    def _scored(self, compile_id: str, one: _Scored) -> Iterator[TagTrace]:
        known = self._of(compile_id)
        if known.kept >= MAX_EXAMPLES:
            return
        known.kept += 1
        known.waiting.setdefault(one.example, []).append(one)
        if one.trial == known.start:
            known.start_scores.setdefault(one.example, one.score)
        if known.start is not None:
            yield from _resolved(known, one.example)


def _own_trace(example: ExampleRecord, route: Route) -> str | None:
    """Return the id of the example's trace in MLflow; None if it has none of its own."""
    context = route.context
    own = context.kind is RootKind.EXAMPLE and context.root_id == example.span.span_id and not context.joined
    return context.trace_id if own and logs_traces(route.options, context) else None


def _resolved(known: _Compile, example: str) -> Iterator[TagTrace]:
    """Yield the tags of the examples with this id, once the start has scored it."""
    start = known.start_scores.get(example)
    if start is None:
        return
    for one in known.waiting.pop(example):
        found = change(one.score, start) if one.trial != known.start else None
        if one.trace_id is not None and found in {"improved", "worse"}:
            yield TagTrace(
                key=f"{one.span_id}/against_start", trace_id=one.trace_id, tags={naming.AGAINST_START: found}
            )
