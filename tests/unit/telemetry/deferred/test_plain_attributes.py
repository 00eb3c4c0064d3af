"""Attributes that are set without the SDK's checks are those that it keeps with them, whatever the limits."""

from __future__ import annotations

import logging
from typing import Any, Final

import pytest
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.trace import NonRecordingSpan, SpanContext

from otel_dspy.telemetry.deferred.plain_attributes import skip_value_checks


class _Text(str):
    __slots__ = ()


_SETS: Final[dict[str, Any]] = {
    "texts and numbers": {"text": "abcdefgh", "whole": 2, "real": 0.5, "flag": True},
    "texts in a list": {"reasons": ["stop", "length"], "none": []},
    "other values": {"nothing": None, "bytes": b"ab", "numbers": [1, 2], "mixed": [1, "a"], "by name": {"a": [1]}},
    "an object": {"first": 1, "object": object, "last": 2},
    "a text's subclass": {"text": _Text("abcdefgh"), "texts": [_Text("abcdefgh")]},
    "invalid names": {"": 1, "kept": 2},
    "another name": {1: "one", "kept": 2},
    "none": {},
    "set again": {"last": 1, "first": "again"},
    "many": {f"name {number}": number for number in range(6)},
}
_LIMITS: Final = {
    "default": SpanLimits(),
    "length": SpanLimits(max_span_attribute_length=3),
    "count": SpanLimits(max_span_attributes=4),
    "none": SpanLimits(max_span_attributes=0),
}


def _attributes(span: Any) -> list[tuple[str, type, object]]:
    return [(name, type(value), value) for name, value in span.attributes.items()]


@pytest.mark.parametrize("limits", _LIMITS)
@pytest.mark.parametrize("first", _SETS)
def test_the_attributes_are_those_with_checks(first: str, limits: str) -> None:
    """Values, their types, their order and the number of dropped ones."""
    tracer = TracerProvider(span_limits=_LIMITS[limits]).get_tracer("test")
    spans: list[Any] = [tracer.start_span("any", attributes={"first": "1", "begun": True}) for _ in range(2)]
    skip_value_checks(spans[0])
    for attributes in (_SETS[first], *_SETS.values()):
        for span in spans:
            span.set_attributes(attributes)
        assert _attributes(spans[0]) == _attributes(spans[1])
        assert spans[0].dropped_attributes == spans[1].dropped_attributes


def test_a_list_is_copied() -> None:
    """The program may change its own afterwards."""
    span: Any = TracerProvider().get_tracer("test").start_span("any")
    skip_value_checks(span)
    reasons = ["stop"]
    span.set_attributes({"reasons": reasons})
    reasons.append("length")
    assert span.attributes == {"reasons": ("stop",)}


def test_an_ended_span_keeps_its_attributes(caplog: pytest.LogCaptureFixture) -> None:
    """As without it, with the SDK's warning; its attributes are no longer changed by their own methods either."""
    span: Any = TracerProvider().get_tracer("test").start_span("any", attributes={"first": 1})
    skip_value_checks(span)
    span.end()
    with caplog.at_level(logging.WARNING):
        span.set_attributes({"second": 2})
    assert [record.getMessage() for record in caplog.records] == ["Setting attribute on ended span."]
    assert span.attributes == {"first": 1}


def test_spans_of_other_makes_are_left_alone() -> None:
    """Spans without the SDK's attributes, and those with a subclass of another package."""

    class Theirs(BoundedAttributes):
        pass

    skip_value_checks(NonRecordingSpan(SpanContext(1, 2, is_remote=False)))
    span: Any = TracerProvider().get_tracer("test").start_span("any")
    span._attributes = Theirs(immutable=False)
    skip_value_checks(span)
    assert type(span._attributes) is Theirs
