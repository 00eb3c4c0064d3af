"""Model of MLflow's stores, limited to the rules for which order matters.

Run start times are omitted: a store sets them only when it creates a run, so they depend on which operation is first.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from otel_dspy.mlflow.mapping.artifacts.tables import table_json
from otel_dspy.mlflow.mapping.operations import (
    DescribeRunning,
    DescribeStopped,
    EndRun,
    EnsureRun,
    ForgetPrograms,
    KeepProgram,
    LogChanges,
    LogDataset,
    LogEvaluation,
    LogEvaluationDataset,
    LogMetrics,
    LogModel,
    LogParams,
    LogProgram,
    LogReport,
    LogTable,
    LogText,
)
from otel_dspy.mlflow.mapping.trace_operations import LogSpan, LogTrace, TagTrace
from otel_dspy.mlflow.tracking.runs.evaluation_totals import evaluation_tag
from otel_dspy.mlflow.tracking.state.program_states import ProgramStates, changes_text
from otel_dspy.mlflow.tracking.traces.merged_infos import merged

if TYPE_CHECKING:
    from otel_dspy.mlflow.mapping.operations import Operation
    from otel_dspy.mlflow.mapping.run_keys import RunKey


@dataclass
class Run:
    """A run as its store holds it."""

    name: str = ""
    parent: RunKey | None = None
    status: str = "RUNNING"
    end_ms: int | None = None
    tags: dict[str, str] = field(default_factory=dict[str, str])
    params: dict[str, str] = field(default_factory=dict[str, str])
    """The first value of a key stays."""
    metrics: set[tuple[str, float, int, int]] = field(default_factory=set[tuple[str, float, int, int]])
    """A point logged twice is one."""
    artifacts: dict[str, str] = field(default_factory=dict[str, str])
    inputs: set[tuple[str, str, str]] = field(default_factory=set[tuple[str, str, str]])
    models: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])


class Model:
    """Applies operations; two models are equal if the stores are."""

    def __init__(self) -> None:
        self.runs: dict[RunKey, Run] = {}
        self.spans: dict[tuple[str, str], LogSpan] = {}
        self.traces: dict[str, LogTrace] = {}
        self.tags: dict[str, dict[str, str]] = {}
        """Tags that are set apart from the infos, by trace id."""
        self.dropped: list[LogProgram | LogChanges | LogModel] = []
        """What has waited for a state in vain."""
        self._states: ProgramStates[LogProgram | LogChanges | LogModel] = ProgramStates(self.dropped.append)

    def state(self) -> dict[str, Any]:
        """All that is held, comparable."""
        return {
            "runs": self.runs,
            "spans": self.spans,
            "traces": {
                trace_id: (
                    info.run, info.name, info.state, info.duration_ms, info.request, info.response, info.start_ms,
                    {**self.tags.get(trace_id, {}), **info.tags},
                    {found.assessment_id: found for found in (*info.assessments, *info.expectations)},
                )
                for trace_id, info in self.traces.items()
            },
        }  # fmt: skip

    def apply(self, operation: Operation) -> None:  # noqa: C901, PLR0912 - a branch for each operation, no more
        """Apply one."""
        match operation:
            case EnsureRun():
                run = self._run(operation.run)
                run.name, run.parent = operation.name, operation.parent
                run.tags |= operation.tags
            case LogParams():
                run = self._run(operation.run)
                run.params = {**operation.params, **run.params}
            case LogMetrics():
                run = self._run(operation.run)
                run.metrics |= {(point.name, point.value, point.step, point.time_ms) for point in operation.metrics}
                run.tags |= operation.tags
            case LogEvaluation():
                self._run(operation.run).tags |= {**operation.tags, **evaluation_tag(operation)}
            case LogText():
                self._run(operation.run).artifacts[operation.path] = operation.text
            case LogTable():
                self._run(operation.run).artifacts[operation.path] = table_json(operation, operation.path)
            case LogDataset():
                self._run(operation.run).inputs.add((operation.name, operation.digest, operation.role))
            case LogReport() | DescribeRunning() | DescribeStopped():
                pass  # made of what is there
            case LogEvaluationDataset():
                pass  # not a part of a run
            case EndRun():
                run = self._run(operation.run)
                run.status, run.end_ms = operation.status, operation.end_ms
            case LogProgram() | LogChanges() | LogModel():
                self._program(operation)
            case KeepProgram():
                kept = (operation.scope, operation.program_id, operation.state)
                for waiting in self._states.keep(*kept, initial=operation.initial):
                    self._program(waiting)
            case ForgetPrograms():
                self._states.forget(operation.scope)
                assert not self.dropped
            case LogSpan():
                self.spans[operation.trace_id, operation.span.span_id] = operation
            case LogTrace():
                before = self.traces.get(operation.trace_id)
                self.traces[operation.trace_id] = merged(before, operation) if before else operation
            case TagTrace():
                self.tags.setdefault(operation.trace_id, {}).update(operation.tags)

    def _run(self, key: RunKey) -> Run:
        return self.runs.setdefault(key, Run())

    def _program(self, operation: LogProgram | LogChanges | LogModel) -> None:
        if isinstance(operation, LogChanges):
            text = changes_text(self._states, operation)
            if text is not None:
                self._run(operation.run).artifacts[operation.path] = text
            return
        state = self._states.state(operation.scope, operation.program_id)
        if state is None:
            self._states.wait(operation.scope, operation.program_id, operation)
        elif isinstance(operation, LogProgram):
            self._run(operation.run).artifacts[operation.path] = state
        else:
            link = (operation.name, json.dumps([operation.program_id, dict(operation.tags), state]))
            for run in (operation.run, operation.also):
                if run is not None:
                    self._run(run).models.add(link)
