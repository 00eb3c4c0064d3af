"""Routing of received spans to MLflow traces and experiments, from the span alone.

In the instrumented process a span is routed when it starts, by its parents (`mlflow.delivery.routing`). A bridge
receives spans in any order, and several bridges share them, so the route depends on the span only. Two differences
follow:

- A trace keeps its OpenTelemetry id even if its root has a parent in another process.
- A run that the user has open in MLflow is unknown: an evaluation gets a run of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from otel_dspy import semconv as sc
from otel_dspy.mlflow.delivery.routing import KINDS
from otel_dspy.mlflow.records.route import Destination, Experiment, Options, RootKind, Route, TraceContext
from otel_dspy.wire_format import SCOPE_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.bridge.otlp import ReceivedSpan
    from otel_dspy.mlflow.records.span_records import Attributes, SpanRecord

EXPERIMENT_ATTRIBUTE: Final = "mlflow.experiment.name"
"""Resource attribute that names the experiment."""
EXPERIMENT_HEADER: Final = "x-mlflow-experiment-name"
WORKSPACE_ATTRIBUTE: Final = "mlflow.workspace.name"
"""Resource attribute that names the MLflow workspace."""
WORKSPACE_HEADER: Final = "x-mlflow-workspace"
"""MLflow's own header."""
SERVICE: Final = "service.name"
ROUTE: Final = "otel_dspy.route"
"""Resource attribute that collector/loadbalanced.yaml sets to choose a bridge; removed before writing to MLflow."""

MAX_EXPERIMENT: Final = 250
"""Maximum length of an experiment's name in characters."""
MAX_NAME: Final = 128
"""Maximum length in characters of an id, or of a name used in a file name."""
MAX_SPAN_NAME: Final = 250
_IDENTIFIER: Final = re.compile(rf"[\w.:\-]{{1,{MAX_NAME}}}", re.ASCII)
_WORKSPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
"""MLflow's rule for workspace names, which are sent in a header."""
_NOT_IN_FILE_NAMES: Final = re.compile(r"[^\w\- .]|\.\.+|^\.+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_IDENTIFIERS: Final = (
    sc.DSPY_COMPILE_ID, sc.DSPY_COMPILE_PARENT_ID, sc.DSPY_PROGRAM_ID, sc.DSPY_DATASET_ID, sc.DSPY_PAYLOAD_ATTRIBUTE,
)  # fmt: skip
"""Attributes used in MLflow searches and paths, so they must not contain special characters."""
_FILE_NAMES: Final = (sc.DSPY_DATASET_ROLE, sc.DSPY_EVALUATE_ROLE, sc.DSPY_PHASE_NAME)
"""Attributes used in artifact names."""
OPTIONS: Final = Options()


class UnusableError(ValueError):
    """An id or a name of the span is invalid; the message gives the reason."""


@dataclass(frozen=True, slots=True)
class Experiments:
    """Choice of the experiment and workspace of a span.

    Attributes:
        tracking_uri: MLflow's tracking URI.
        default: experiment of spans that name none.
        by_service: whether `service.name` is used as the experiment if nothing else names one.
        workspace: MLflow workspace of spans that name none; None for MLflow's default.
    """

    tracking_uri: str
    default: str = "Default"
    by_service: bool = False
    workspace: str | None = None

    def destination(
        self, resource: Attributes, experiment_header: str | None, workspace_header: str | None = None
    ) -> Destination:
        """Return the destination of a span.

        The experiment comes from the resource, else the request's header, else the service if `by_service` is set, else
        the default. The workspace likewise, but never from the service.

        Args:
            resource: resource attributes of the span.
            experiment_header: value of the experiment header.
            workspace_header: value of the workspace header.

        Raises:
            UnusableError: the workspace name is invalid.
        """
        workspace = self._workspace(resource.get(WORKSPACE_ATTRIBUTE), workspace_header)
        service = resource.get(SERVICE) if self.by_service else None
        for name in (resource.get(EXPERIMENT_ATTRIBUTE), experiment_header, service):
            if isinstance(name, str) and (clean := experiment_name(name)):
                return Destination(self.tracking_uri, Experiment(name=clean), workspace)
        return Destination(self.tracking_uri, Experiment(name=self.default), workspace)

    def _workspace(self, attribute: object, header: str | None) -> str | None:
        for source, name in ((WORKSPACE_ATTRIBUTE, attribute), (WORKSPACE_HEADER, header)):
            if name is None or name == "":
                continue
            if not isinstance(name, str) or _WORKSPACE.fullmatch(name) is None:
                # No fallback to another workspace: its members may not be allowed to read these spans.
                raise UnusableError(f"{source} is not a valid workspace name")
            return name
        return self.workspace


def experiment_name(name: str) -> str:
    """Clean an experiment name: one line of at most `MAX_EXPERIMENT` characters; empty if nothing is left."""
    return _CONTROL.sub(" ", name).strip()[:MAX_EXPERIMENT].strip()


def routed(received: ReceivedSpan, destination: Destination) -> tuple[SpanRecord, Route]:
    """Return the span with cleaned names, and its route.

    Raises:
        UnusableError: an id is invalid.
    """
    span = _cleaned(received.span)
    return span, Route(destination, _context(span, local_root=received.local_root), OPTIONS)


def is_ours(span: SpanRecord) -> bool:
    """Return whether otel-dspy recorded the span, by its scope or operation attribute."""
    return span.scope == SCOPE_NAME or sc.DSPY_OPERATION_NAME in span.attributes


def _cleaned(span: SpanRecord) -> SpanRecord:
    attributes = dict(span.attributes)
    for name in _IDENTIFIERS:
        value = attributes.get(name)
        if value is not None and not _is_id(value):
            raise UnusableError(f"{name} is not a valid id")
    parents = attributes.get(sc.DSPY_PROGRAM_PARENT_IDS, ())
    if not (isinstance(parents, tuple) and all(_is_id(parent) for parent in parents)):
        raise UnusableError(f"{sc.DSPY_PROGRAM_PARENT_IDS} is not a list of valid ids")
    for name in _FILE_NAMES:
        value = attributes.get(name)
        if isinstance(value, str):
            attributes[name] = _NOT_IN_FILE_NAMES.sub("_", value)[:MAX_NAME]
    resource = {name: value for name, value in span.resource.items() if name != ROUTE}
    return replace(span, name=_CONTROL.sub(" ", span.name)[:MAX_SPAN_NAME], attributes=attributes, resource=resource)


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _IDENTIFIER.fullmatch(value) is not None


def _context(span: SpanRecord, *, local_root: bool) -> TraceContext:
    operation = span.attributes.get(sc.DSPY_OPERATION_NAME)
    if not local_root:
        outermost = operation == "setup" and sc.DSPY_COMPILE_PARENT_ID not in span.attributes
        # The setup span of an outermost compile names the trace and assigns it to the run, hours before the end.
        return TraceContext(
            trace_id=span.trace_id,
            root_id="",
            kind=RootKind.COMPILE if outermost else RootKind.CALL,
            compile_id=_text(span.attributes, sc.DSPY_COMPILE_ID) if outermost else None,
        )
    kind = KINDS.get(str(operation), RootKind.CALL)
    evaluate: tuple[str, str] | None = None
    if kind is RootKind.EVALUATE:
        evaluate = (span.trace_id, span.span_id)
    elif kind is RootKind.EXAMPLE and span.links:
        evaluate = (span.links[0].trace_id, span.links[0].span_id)
    trial = span.attributes.get(sc.DSPY_TRIAL_INDEX)
    return TraceContext(
        trace_id=span.trace_id,
        root_id=span.span_id,
        kind=kind,
        compile_id=_text(span.attributes, sc.DSPY_COMPILE_ID) if kind is not RootKind.CALL else None,
        trial=trial if isinstance(trial, int) and not isinstance(trial, bool) else None,
        evaluate=evaluate,
    )


def _text(attributes: Mapping[str, object], name: str) -> str | None:
    value = attributes.get(name)
    return value if isinstance(value, str) else None
