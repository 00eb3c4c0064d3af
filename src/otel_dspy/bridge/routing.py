"""Which MLflow trace and which experiment a span belongs to, read off the span alone.

In the program's own process that is decided when a span starts, from its parents (`mlflow.delivery.routing`). Here
spans come in any order, to any of several bridges, so nothing but the span itself may decide. Two things differ for it:

- A trace keeps its OpenTelemetry id also where its root has a parent in another process.
- A run that the user had open in MLflow is not known: an evaluation gets a run of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from otel_dspy import semconv as sc
from otel_dspy.mlflow.delivery.routing import KINDS
from otel_dspy.mlflow.records.route import Destination, Experiment, Options, RootKind, Route, TraceContext

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
"""Resource attribute by which collector/loadbalanced.yaml chose this bridge: of the way, not of the program."""

MAX_EXPERIMENT: Final = 250
"""Characters of an experiment's name."""
MAX_NAME: Final = 128
"""Characters of an id or of a name that becomes a part of a file's name."""
MAX_SPAN_NAME: Final = 250
_IDENTIFIER: Final = re.compile(rf"[\w.:\-]{{1,{MAX_NAME}}}", re.ASCII)
_WORKSPACE: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
"""MLflow's rule for names of workspaces, which go into a header."""
_NOT_IN_FILE_NAMES: Final = re.compile(r"[^\w\- .]|\.\.+|^\.+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_IDENTIFIERS: Final = (
    sc.DSPY_COMPILE_ID, sc.DSPY_COMPILE_PARENT_ID, sc.DSPY_PROGRAM_ID, sc.DSPY_DATASET_ID, sc.DSPY_PAYLOAD_ATTRIBUTE,
)  # fmt: skip
"""They are looked for in MLflow, so nothing that means something in a search or a path may be in them."""
_FILE_NAMES: Final = (sc.DSPY_DATASET_ROLE, sc.DSPY_EVALUATE_ROLE, sc.DSPY_PHASE_NAME)
"""They become parts of artifacts' names."""
OPTIONS: Final = Options()


class UnusableError(ValueError):
    """A span whose names cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class Experiments:
    """Where spans go.

    Attributes:
        tracking_uri: of MLflow.
        default: the experiment of spans that name none.
        by_service: whether `service.name` names it where nothing else does.
        workspace: the MLflow workspace of spans that name none; None to leave the choice to MLflow.
    """

    tracking_uri: str
    default: str = "Default"
    by_service: bool = False
    workspace: str | None = None

    def destination(
        self, resource: Attributes, experiment_header: str | None, workspace_header: str | None = None
    ) -> Destination:
        """By the resource, else by the request's header, else by the service if wanted, else the default.

        The workspace likewise, but never by the service.

        Raises:
            UnusableError: no workspace can have the name that is given.
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
                # Another workspace is no substitute: its members may not be meant to read these spans.
                raise UnusableError(f"{source} is not the name of a workspace")
            return name
        return self.workspace


def experiment_name(name: str) -> str:
    """A name as an experiment may have it: one line, no longer than `MAX_EXPERIMENT`; empty if nothing is left."""
    return _CONTROL.sub(" ", name).strip()[:MAX_EXPERIMENT].strip()


def placed(received: ReceivedSpan, destination: Destination) -> tuple[SpanRecord, Route]:
    """The span, its names cleaned, and where it goes.

    Raises:
        UnusableError: an id is none.
    """
    span = _cleaned(received.span)
    return span, Route(destination, _context(span, local_root=received.local_root), OPTIONS)


def is_ours(span: SpanRecord) -> bool:
    """Whether the span is of otel-dspy's own: its scope or an attribute says so."""
    return span.scope == "otel_dspy" or sc.DSPY_OPERATION_NAME in span.attributes


def _cleaned(span: SpanRecord) -> SpanRecord:
    attributes = dict(span.attributes)
    for name in _IDENTIFIERS:
        value = attributes.get(name)
        if value is not None and not _is_id(value):
            raise UnusableError(f"{name} is no id")
    parents = attributes.get(sc.DSPY_PROGRAM_PARENT_IDS, ())
    if not (isinstance(parents, tuple) and all(_is_id(parent) for parent in parents)):
        raise UnusableError(f"{sc.DSPY_PROGRAM_PARENT_IDS} are no ids")
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
        # The setup of an outermost compile: its trace is named after it and belongs to its run, hours before its end.
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
