"""Routes of received spans: the MLflow trace that each belongs to, from the span alone.

In the instrumented process a span is routed when it starts, by its parents (`mlflow.delivery.trace_routing`). Received
spans come in any order, and several bridges share them, so the route depends on the span only. Two differences follow:

- A trace keeps its OpenTelemetry id even if its root has a parent in another process.
- A run that the user has open in MLflow is unknown: an evaluation gets a run of its own.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from otel_dspy import semconv as sc
from otel_dspy.mlflow.records import evaluation_datasets_setting
from otel_dspy.mlflow.records.attribute_reader import AttributeReader
from otel_dspy.mlflow.records.route import ROOT_KINDS, Options, RootKind, Route, TraceContext
from otel_dspy.span_format import SCOPE_NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.mlflow.records.route import Destination
    from otel_dspy.mlflow.records.span import SpanRecord
    from otel_dspy.otlp_requests.protobuf_spans import ReceivedSpan

ROUTE: Final = "otel_dspy.route"
"""Resource attribute that collector/loadbalanced.yaml sets to choose a bridge; removed before writing to MLflow."""
MAX_NAME: Final = 128
"""Maximum length in characters of an id, or of a name used in a file name."""
MAX_SPAN_NAME: Final = 250
_IDENTIFIER: Final = re.compile(rf"[\w.:\-]{{1,{MAX_NAME}}}", re.ASCII)
_NOT_IN_FILE_NAMES: Final = re.compile(r"[^\w\- .]|\.\.+|^\.+")
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""Control characters, which names must not contain."""
_IDENTIFIERS: Final = (
    sc.DSPY_COMPILE_ID, sc.DSPY_COMPILE_PARENT_ID, sc.DSPY_PROGRAM_ID, sc.DSPY_DATASET_ID, sc.DSPY_PAYLOAD_ATTRIBUTE,
)  # fmt: skip
"""Attributes used in MLflow searches and paths, so they must not contain special characters."""
_FILE_NAMES: Final = (sc.DSPY_DATASET_ROLE, sc.DSPY_EVALUATE_ROLE, sc.DSPY_PHASE_NAME)
"""Attributes used in artifact names."""
OPTIONS: Final = Options(log_evaluation_datasets=evaluation_datasets_setting.wanted())


class UnusableError(ValueError):
    """An id or a name of the span is invalid; the message gives the reason."""


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
    resource = span.resource  # one object for all spans of a resource, by which others cache what they make of it
    if ROUTE in resource:
        resource = {name: value for name, value in resource.items() if name != ROUTE}
    return replace(span, name=CONTROL.sub(" ", span.name)[:MAX_SPAN_NAME], attributes=attributes, resource=resource)


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
    kind = ROOT_KINDS.get(str(operation), RootKind.CALL)
    evaluate: tuple[str, str] | None = None
    if kind is RootKind.EVALUATE:
        evaluate = (span.trace_id, span.span_id)
    elif kind is RootKind.EXAMPLE and span.links:
        evaluate = (span.links[0].trace_id, span.links[0].span_id)
    read = AttributeReader(span)
    trial = read.integer(sc.DSPY_TRIAL_INDEX)
    if read.flag(sc.DSPY_EVALUATE_WITHIN_EXAMPLE):
        trial, evaluate = None, None
    return TraceContext(
        trace_id=span.trace_id,
        root_id=span.span_id,
        kind=kind,
        compile_id=_text(span.attributes, sc.DSPY_COMPILE_ID) if kind is not RootKind.CALL else None,
        trial=trial,
        evaluate=evaluate,
    )


def _text(attributes: Mapping[str, object], name: str) -> str | None:
    value = attributes.get(name)
    return None if value is None else str(value)
