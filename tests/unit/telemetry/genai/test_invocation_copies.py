"""Copies of the library's invocations equal new ones, share nothing that changes, and are made of known fields only."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import pytest
from opentelemetry.context import Context
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import INVALID_SPAN

from otel_dspy.settings import Settings
from otel_dspy.telemetry.call_context import SPAN
from otel_dspy.telemetry.emitter import Telemetry
from otel_dspy.telemetry.genai.inference import Inference
from otel_dspy.telemetry.genai.inference_template import InferenceTemplate
from otel_dspy.telemetry.genai.invocation_copies import copies_of

if TYPE_CHECKING:
    from otel_dspy.telemetry.genai.inference_template import Request

REQUEST: Request = {
    "provider": "openai",
    "request_model": "gpt-4o-mini",
    "server_address": "127.0.0.1",
    "server_port": 8080,
    "operation_name": "chat",
}


@pytest.fixture
def template() -> InferenceTemplate:
    """Template of `REQUEST`."""
    tracer_provider = TracerProvider(shutdown_on_exit=False)
    meter_provider = MeterProvider(shutdown_on_exit=False)
    telemetry = Telemetry(Settings(), tracer_provider=tracer_provider, meter_provider=meter_provider)
    templates = telemetry.genai.templates
    assert templates is not None
    return templates.of(REQUEST)


def test_a_copy_has_the_fields_of_a_new_invocation(template: InferenceTemplate) -> None:
    """Both have equal fields, apart from the start time, which each call sets."""
    context = Context({SPAN: INVALID_SPAN})
    copied, created = template.invocation(context, None), template.create(context, None)
    assert template.is_copied
    assert copied is not created
    for one in (copied, created):
        one.set_start(context, 1.0)
    assert vars(copied) == vars(created)


def test_copies_share_no_attributes_and_no_messages(template: InferenceTemplate) -> None:
    """What is set on one copy is not set on the next; aliases within an invocation stay aliases."""
    context = Context({SPAN: INVALID_SPAN})
    first = template.invocation(context, None)
    first.attributes["a"] = 1
    first.metric_attributes["b"] = 2
    first.input_messages.append(cast("Any", "message"))
    first.input_tokens = 3
    assert first.data.attributes is first.attributes
    assert first.data.metric_attributes is first.metric_attributes
    second = template.invocation(context, None)
    assert second.data is not first.data
    assert (second.attributes, second.metric_attributes, second.input_messages, second.input_tokens) == (
        {},
        {},
        [],
        None,
    )


def test_an_invocation_in_a_conversation_is_created_anew(template: InferenceTemplate) -> None:
    """Its conversation id is that of the call."""
    assert template.invocation(Context({SPAN: INVALID_SPAN}), "a talk").conversation_id == "a talk"
    assert template.invocation(Context({SPAN: INVALID_SPAN}), None).conversation_id is None


@dataclass
class _Usage:
    """Data that a future version of the library might keep in an object of its own."""

    tokens: int = 0
    parts: list[int] = field(default_factory=list[int])


class _Slotted:
    __slots__ = ("value",)


@dataclass(slots=True)
class _SlottedUsage:
    tokens: int = 0


def _later_version(field_value: Any) -> Any:
    class Later:
        def __init__(self) -> None:
            self.name = "later"
            self.added = field_value()

    return copies_of(cast("Inference", Later()), cast("Inference", Later()), ())


def test_objects_that_a_later_version_adds_are_copied_too() -> None:
    """A dataclass inside, and its lists, belong to each copy alone."""
    copies = _later_version(_Usage)
    first, second = copies.copy(), copies.copy()
    first.added.parts.append(1)
    first.added.tokens = 5
    assert (second.name, second.added) == ("later", _Usage())


@pytest.mark.parametrize(
    "added",
    [
        threading.Lock,
        object,
        _Slotted,
        _SlottedUsage,
        time.perf_counter_ns,
        lambda: [object()],
        lambda: {"a": [1]},
        lambda: ([1],),
    ],
    ids=["lock", "object", "slots", "slotted dataclass", "time", "list of objects", "nested", "tuple of lists"],
)
def test_fields_of_unknown_types_are_not_copied(added: Any) -> None:
    """A lock, a time or a list inside another container could be shared by mistake: the library creates each."""
    assert _later_version(added) is None


def test_invocations_that_are_not_copied_are_created_by_the_library(
    template: InferenceTemplate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version whose invocations have a lock is recorded as before."""
    created = Inference.__init__

    def with_lock(self: Inference, *args: Any, **kwargs: Any) -> None:
        created(self, *args, **kwargs)
        vars(self)["lock"] = threading.Lock()

    monkeypatch.setattr(Inference, "__init__", with_lock)
    later = InferenceTemplate(template.backend, REQUEST)
    context = Context({SPAN: INVALID_SPAN})
    first, second = later.invocation(context, None), later.invocation(context, None)
    assert not later.is_copied
    assert vars(first)["lock"] is not vars(second)["lock"]
