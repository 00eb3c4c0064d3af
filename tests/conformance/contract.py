"""Holds what was emitted against the contract of `semconv/`: each function gives the violations, one text each."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Final

from opentelemetry.sdk.metrics.export import Gauge, Histogram, Sum
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from tests.conformance import tree as rules
from tests.conformance.attributes import attribute_violations
from tools.semconv_parser import load

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from opentelemetry.sdk._logs import ReadableLogRecord
    from opentelemetry.sdk.metrics.export import Metric, MetricsData

    from tools.semconv_parser import Contract, Span

SCOPE: Final = "otel_dspy"
"""The instrumentation scope of everything that otel-dspy emits; other scopes are none of the contract's business."""
EVERYTHING: Final = frozenset({"content", "programs", "datasets"})
"""The content settings, all on."""
INFERENCE_OPERATIONS: Final = frozenset({"chat", "text_completion", "generate_content"})
_PLACEHOLDER: Final = re.compile(r"\{([^}]+)\}")


@cache
def contract() -> Contract:
    """The contract, read once."""
    return load()


def violations(
    spans: Sequence[ReadableSpan], *, opted_in: frozenset[str] = EVERYTHING, sampled: bool = False
) -> list[str]:
    """Return every way in which finished spans break the contract; an empty list means that they keep it.

    Args:
        spans: everything that was exported, in any order, other scopes included: they may be parents.
        opted_in: the content settings that were on (content, programs, datasets), and the extra conventions.
        sampled: True where example traces may be missing; roll-ups are not summed up then.
    """
    kinds = [(span, _kind(span)) for span in map(_with_plain_attributes, spans)]
    tree = rules.Tree(kinds)
    found: list[str] = []
    for span, kind in kinds:
        if kind is None:
            if _ours(span):
                found.append(f"{span.name!r}: no such span in the contract")
            continue
        about: list[str] = [
            *_shape_violations(span, kind),
            *attribute_violations(
                contract(), kind, rules.attributes_of(span), opted_in, standard_names=kind.extends == "gen_ai"
            ),
        ]
        # Rules about the others read required attributes: they make sense only where those are there.
        if not any("required and absent" in text for text in about):
            about += [
                *rules.parent_violations(tree, span, kind),
                *rules.belonging_violations(tree, span, kind),
                *rules.trial_violations(tree, span, kind),
                *([] if sampled else rules.usage_violations(tree, span, kind)),
                *rules.payload_violations(tree, span, kind),
                *rules.state_violations(tree, span, kind, opted_in),
            ]
        found += [f"{span.name!r}: {text}" for text in about]
    return found


def metric_violations(data: MetricsData | None) -> list[str]:
    """Return every way in which the metrics of otel-dspy's own break the contract; None = nothing was recorded."""
    scopes = [scope for resource in (data.resource_metrics if data else ()) for scope in resource.scope_metrics]
    metrics = [metric for scope in scopes if scope.scope.name == SCOPE for metric in scope.metrics]
    return [
        f"{metric.name!r}: {text}"
        for metric in metrics
        if not metric.name.startswith("gen_ai.")
        for text in _metric_violations(metric)
    ]


def event_violations(records: Iterable[ReadableLogRecord], *, opted_in: frozenset[str] = EVERYTHING) -> list[str]:
    """Return every way in which the log events of otel-dspy's own break the contract."""
    declared = {event.name: event for event in contract().events}
    found: list[str] = []
    for record in records:
        name = record.log_record.event_name
        if record.instrumentation_scope is None or record.instrumentation_scope.name != SCOPE:
            continue
        event = declared.get(name or "")
        if event is None:
            # The standard's own library has events of its own under this prefix.
            if name is None or not name.startswith("gen_ai."):
                found.append(f"{name!r}: no such event in the contract")
            continue
        attributes = record.log_record.attributes or {}
        found += [
            f"{name!r}: {text}"
            for text in attribute_violations(contract(), event, dict(attributes), opted_in, standard_names=False)
        ]
        if not record.log_record.span_id:
            found.append(f"{name!r}: it stands in no span")
    return found


def beyond_gaps(found: Iterable[str], gaps: Collection[str]) -> list[str]:
    """Return what `found` has beyond the known `gaps` (parts of the texts), and each gap that no longer shows."""
    texts = list(found)
    return [
        *(text for text in texts if not any(gap in text for gap in gaps)),
        *(f"a known gap is mended, take it out: {gap}" for gap in gaps if not any(gap in text for text in texts)),
    ]


def _with_plain_attributes(span: ReadableSpan) -> ReadableSpan:
    """The span with a dict of attributes, which is read faster than the SDK's."""
    return ReadableSpan(
        span.name,
        span.context,
        span.parent,
        span.resource,
        dict(span.attributes or {}),
        links=span.links,
        kind=span.kind,
        status=span.status,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _ours(span: ReadableSpan) -> bool:
    return span.instrumentation_scope is not None and span.instrumentation_scope.name == SCOPE


def _kind(span: ReadableSpan) -> Span | None:
    """What the contract calls the span, by its scope, its operation and its name's first word; None if nothing."""
    if not _ours(span):
        return None
    operation = rules.attributes_of(span).get("gen_ai.operation.name")
    word = span.name.split(" ", 1)[0]
    if operation in INFERENCE_OPERATIONS:
        wanted = rules.INFERENCE
    elif operation is not None:
        wanted = f"span.gen_ai.{operation}"
    else:
        wanted = f"span.dspy.{word}"
    return _kinds().get(wanted)


@cache
def _kinds() -> Mapping[str, Span]:
    return {kind.id: kind for kind in contract().spans}


def _shape_violations(span: ReadableSpan, kind: Span) -> Iterator[str]:
    """Name, kind, status and error type."""
    attributes = rules.attributes_of(span)
    # An attribute that the span lacks leaves its place in the name empty.
    expected = _PLACEHOLDER.sub(lambda match: str(attributes.get(match[1], "")), kind.name).strip()
    if span.name != expected:
        yield f"its name should be {expected!r}"
    if span.kind is not SpanKind[kind.kind.upper()]:
        yield f"its kind is {span.kind.name}, not {kind.kind.upper()}"
    operation = attributes.get("dspy.operation.name")
    if operation is not None and kind.id != f"span.dspy.{operation}":
        yield f"dspy.operation.name is {operation!r}"
    failed = span.status.status_code is StatusCode.ERROR
    if failed and "error.type" not in attributes:
        yield "it failed without error.type"
    if not failed and "error.type" in attributes and kind.extends is None:
        yield f"error.type is {attributes['error.type']!r} and the status is {span.status.status_code.name}"


def _metric_violations(metric: Metric) -> Iterator[str]:
    declared = next((entry for entry in contract().metrics if entry.name == metric.name), None)
    if declared is None:
        yield "no such metric in the contract"
        return
    if metric.unit != declared.unit:
        yield f"its unit is {metric.unit!r}, not {declared.unit!r}"
    if metric.description != declared.brief:
        yield f"its description is {metric.description!r}, not {declared.brief!r}"
    match metric.data:
        case Histogram():
            instrument = "histogram"
        case Gauge():
            instrument = "gauge"
        case Sum(is_monotonic=True):
            instrument = "counter"
        case Sum():
            instrument = "updowncounter"
        case other:
            instrument = type(other).__name__
    if instrument != declared.instrument:
        yield f"it is a {instrument}, not a {declared.instrument}"
    for point in metric.data.data_points:
        yield from attribute_violations(contract(), declared, dict(point.attributes or {}), frozenset())
