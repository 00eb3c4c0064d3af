"""Reader of a whole MLflow experiment as plain, comparable data: nested runs, artifacts and traces."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts, list_artifacts

from tests.support.metric_points import points_of_runs
from tests.support.shared_server_files import artifact_folder, readable_uri

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mlflow.entities import Assessment, LoggedModel, Run, Span, Trace

VOLATILE_TAGS = frozenset(
    {"mlflow.user", "mlflow.source.name", "mlflow.source.type", "mlflow.source.git.commit"}
    | {"otel_dspy.host", "otel_dspy.processes"}
)
"""Tags of the environment that a run was created in."""
PAGE = 200


@dataclass(frozen=True)
class AssessmentNode:
    """One score on a trace."""

    name: str
    value: object
    rationale: str | None
    source: str
    """CODE, HUMAN or LLM_JUDGE."""
    span: str | None
    """Name of the span that it stands on; None for the trace as a whole."""
    error: tuple[str, str | None] | None = None
    """Code and message of the error that it carries."""


@dataclass(frozen=True)
class SpanNode:
    """One span with its children in order of their start."""

    name: str
    type: str
    status: str
    inputs: Any
    outputs: Any
    attributes: dict[str, Any] = field(repr=False, compare=False)
    children: tuple[SpanNode, ...] = ()

    def walk(self) -> Iterator[SpanNode]:
        """This span and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True)
class TraceNode:
    """One trace."""

    id: str = field(compare=False)
    name: str | None
    state: str
    """OK, ERROR or IN_PROGRESS."""
    request_preview: str | None
    response_preview: str | None
    tags: dict[str, str] = field(repr=False)
    metadata: dict[str, str] = field(repr=False, compare=False)
    spans: tuple[SpanNode, ...]
    """The roots: one, unless something went wrong."""
    assessments: tuple[AssessmentNode, ...]
    """Feedback."""
    expectations: dict[str, object] = field(default_factory=dict[str, object], compare=False)
    """Expected values by name."""

    def walk(self) -> Iterator[SpanNode]:
        """All spans, parents first."""
        for root in self.spans:
            yield from root.walk()


@dataclass(frozen=True)
class ModelNode:
    """A LoggedModel."""

    name: str
    status: str
    tags: dict[str, str]
    params: dict[str, str]
    artifacts: dict[str, Any]


@dataclass(frozen=True)
class RunNode:
    """One run with its children in order of their start."""

    id: str = field(compare=False)
    name: str
    status: str
    """RUNNING, FINISHED, FAILED or KILLED."""
    params: dict[str, str]
    metrics: dict[str, tuple[tuple[int, float], ...]]
    """Each metric's (step, value) pairs, by step."""
    tags: dict[str, str]
    inputs: tuple[tuple[str, str, str], ...]
    """(context, name, digest) of each dataset."""
    artifacts: dict[str, Any] = field(repr=False)
    """Path to content: parsed where it is JSON, else text."""
    models: tuple[ModelNode, ...]
    traces: tuple[TraceNode, ...]
    children: tuple[RunNode, ...]
    seconds: float | None = field(default=None, compare=False)
    """How long it lasted; None while it runs."""

    def walk(self) -> Iterator[RunNode]:
        """This run and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True)
class ExperimentTree:
    """An experiment."""

    runs: tuple[RunNode, ...]
    """Runs without a parent."""
    traces: tuple[TraceNode, ...]
    """Traces that belong to no run."""

    def walk(self) -> Iterator[RunNode]:
        """All runs, parents first."""
        for run in self.runs:
            yield from run.walk()


def read_tree(tracking_uri: str, experiment_name: str) -> ExperimentTree:
    """Read an experiment back.

    :raises LookupError: if there is no experiment of that name.
    """
    client = MlflowClient(readable_uri(tracking_uri))
    experiment = client.get_experiment_by_name(experiment_name)
    if experiment is None:
        raise LookupError(experiment_name)
    runs = sorted(_runs(client, experiment.experiment_id), key=_run_order)
    traces: dict[str | None, list[TraceNode]] = {}
    for trace in sorted(_traces(client, experiment.experiment_id), key=_trace_order):
        traces.setdefault(trace.info.trace_metadata.get("mlflow.sourceRun"), []).append(_trace_node(trace))
    known = {run.info.run_id for run in runs}
    points = points_of_runs(tracking_uri, client, runs)

    def node(run: Run) -> RunNode:
        run_id = run.info.run_id
        children = [child for child in runs if child.data.tags.get("mlflow.parentRunId") == run_id]
        return RunNode(
            id=run_id,
            name=run.info.run_name or "",
            status=str(run.info.status),
            params=dict(run.data.params),
            metrics={key: tuple(sorted(points(run_id, key))) for key in sorted(run.data.metrics)},
            tags={key: value for key, value in sorted(run.data.tags.items()) if key not in VOLATILE_TAGS},
            inputs=tuple(
                sorted(
                    (next((tag.value for tag in used.tags if tag.key == "mlflow.data.context"), ""),
                     used.dataset.name, used.dataset.digest)
                    for used in (run.inputs.dataset_inputs if run.inputs else ())
                )
            ),
            artifacts=_run_artifacts(tracking_uri, run),
            models=tuple(
                _model_node(tracking_uri, client.get_logged_model(made.model_id))
                for made in (run.outputs.model_outputs if run.outputs else ())
            ),
            traces=tuple(traces.get(run_id, ())),
            children=tuple(node(child) for child in children),
            seconds=(run.info.end_time - run.info.start_time) / 1000 if run.info.end_time else None,
        )  # fmt: skip

    return ExperimentTree(
        runs=tuple(node(run) for run in runs if run.data.tags.get("mlflow.parentRunId") not in known),
        traces=tuple(found for owner, group in traces.items() if owner not in known for found in group),
    )


def _runs(client: MlflowClient, experiment_id: str) -> Iterator[Run]:
    token: str | None = None
    while True:
        page = client.search_runs([experiment_id], max_results=PAGE, page_token=token)
        yield from page
        token = cast("str | None", page.token)
        if not token:
            return


def _run_order(run: Run) -> tuple[int, int, str]:
    return (int(run.data.tags.get("dspy.trial.index", -1)), run.info.start_time or 0, run.info.run_name or "")


def _traces(client: MlflowClient, experiment_id: str) -> Iterator[Trace]:
    token: str | None = None
    while True:
        page = client.search_traces(locations=[experiment_id], max_results=PAGE, page_token=token)
        yield from page
        token = cast("str | None", page.token)
        if not token:
            return


def _trace_order(trace: Trace) -> tuple[int, int, str, str]:
    """By start: of the spans, as an evaluation and its first example may start in one millisecond."""
    began = min((span.start_time_ns for span in trace.data.spans), default=0)
    return (trace.info.request_time, began, trace.info.tags.get("mlflow.traceName", ""), trace.info.trace_id)


def _trace_node(trace: Trace) -> TraceNode:
    info, spans = trace.info, trace.data.spans
    names = {span.span_id: span.name for span in spans}
    return TraceNode(
        id=info.trace_id,
        name=info.tags.get("mlflow.traceName"),
        state=info.state.value,
        request_preview=info.request_preview,
        response_preview=info.response_preview,
        tags={key: value for key, value in sorted(info.tags.items()) if key != "mlflow.artifactLocation"},
        metadata=dict(info.trace_metadata),
        spans=_span_nodes(spans, [span for span in spans if span.parent_id not in names]),
        assessments=tuple(
            _assessment_node(found, names)
            for found in sorted(info.assessments, key=_assessment_order)
            if found.expectation is None
        ),
        expectations={
            found.name: found.expectation.value for found in info.assessments if found.expectation is not None
        },
    )


def _span_nodes(spans: list[Span], level: Iterable[Span]) -> tuple[SpanNode, ...]:
    return tuple(
        SpanNode(
            name=span.name,
            type=str(span.span_type),
            status=span.status.status_code.value,
            inputs=span.inputs,
            outputs=span.outputs,
            attributes=dict(span.attributes),
            children=_span_nodes(spans, [child for child in spans if child.parent_id == span.span_id]),
        )
        for span in sorted(level, key=lambda span: (span.start_time_ns, span.span_id))
    )


def _assessment_order(assessment: Assessment) -> tuple[str, str]:
    return (assessment.name, assessment.span_id or "")


def _assessment_node(assessment: Assessment, names: dict[str, str]) -> AssessmentNode:
    error = assessment.feedback.error if assessment.feedback else None
    return AssessmentNode(
        error=None if error is None else (error.error_code, error.error_message),
        name=assessment.name,
        value=assessment.feedback.value if assessment.feedback else None,
        rationale=assessment.rationale,
        source=str(assessment.source.source_type),
        span=names.get(assessment.span_id, assessment.span_id) if assessment.span_id else None,
    )


def _model_node(tracking_uri: str, model: LoggedModel) -> ModelNode:
    return ModelNode(
        name=model.name,
        status=str(model.status),
        tags={key: str(value) for key, value in sorted(model.tags.items()) if key not in VOLATILE_TAGS},
        params=dict(model.params),
        # Its own location: a `models:/` URI is looked up in the global tracking store, not in this one.
        artifacts=_downloaded(model.artifact_location, tracking_uri),
    )


def _run_artifacts(tracking_uri: str, run: Run) -> dict[str, Any]:
    uri = str(run.info.artifact_uri)
    if artifact_folder(uri, tracking_uri) is None and not list_artifacts(artifact_uri=uri, tracking_uri=tracking_uri):
        return {}
    return _downloaded(uri, tracking_uri)


def _downloaded(artifact_uri: str, tracking_uri: str) -> dict[str, Any]:
    local = artifact_folder(artifact_uri, tracking_uri)
    if local is not None:
        return _contents(local)
    with tempfile.TemporaryDirectory() as folder:
        return _contents(
            Path(download_artifacts(artifact_uri=artifact_uri, dst_path=folder, tracking_uri=tracking_uri))
        )


def _contents(root: Path) -> dict[str, Any]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): _content(path) for path in files}


def _content(path: Path) -> object:
    text = path.read_text(encoding="utf-8", errors="replace")
    return json.loads(text) if path.suffix == ".json" else text
