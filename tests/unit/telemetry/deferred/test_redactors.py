"""Redactors that are called after the call: context, invalid attributes, and errors that end a thread."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import dspy
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import get_current_span

from otel_dspy import DSPyInstrumentor
from otel_dspy.runtime import deferred_queue as later_module
from tests.support.addition_task import addition_lm
from tests.support.deferred_ends import ends_that_wait
from tests.support.telemetry_capture import TelemetryCapture
from tests.support.waiting import awaited

if TYPE_CHECKING:
    from collections.abc import Generator

    from otel_dspy.settings import Redact

pytestmark = pytest.mark.usefixtures("patient")
_dspy: Any = dspy


@contextmanager
def _redacting(redact: Redact) -> Generator[TelemetryCapture]:
    """DSPy instrumented, spans with content to a batch processor, by way of a redactor."""
    capture = TelemetryCapture(batched=True)
    DSPyInstrumentor().instrument(**capture.providers, capture_content=True, redact=redact)
    with _dspy.context(lm=addition_lm()):
        yield capture
    DSPyInstrumentor().uninstrument()
    capture.shutdown()


def test_a_redactor_sees_the_calls_context() -> None:
    """Whose text it is stands in a context variable, which has another value, or none, once the call is over."""
    customer = ContextVar("customer", default="nobody")
    with _redacting(lambda _name, text: text.replace("1+1", customer.get())) as capture:
        token = customer.set("Alice")
        dspy.Predict("question -> answer")(question="1+1")
        customer.reset(token)
        texts = [repr(dict(span.attributes or {})) for span in capture.spans]
    assert len(texts) == 2
    assert all("Alice" in text and "nobody" not in text and "1+1" not in text for text in texts)


class _Odd:
    """No value of an attribute; OpenTelemetry 1.43 logs it, and later versions try its text."""

    def __str__(self) -> str:
        raise ZeroDivisionError


def _set_odd(span: Any) -> str | None:
    """Set an attribute that cannot be set; return the error's name, if it raises."""
    try:
        span.set_attribute("odd", _Odd())
    except ZeroDivisionError as error:
        return type(error).__name__
    return None


@pytest.mark.contract_gaps("list is not a name")
def test_attributes_set_by_a_redactor_are_validated_by_the_sdk() -> None:
    """Invalid values raise where they are set, as always; the span is recorded as it was at that time."""
    raised: list[str | None] = []
    lists: list[list[int]] = []

    def redact(_name: str, text: str) -> str:
        span: Any = get_current_span()
        lists.append([1])
        span.set_attribute("list", lists[-1])
        lists[-1].append(2)
        span.set_attribute(5, "no text")
        raised.append(_set_odd(span))
        return text

    with _redacting(redact) as capture:
        dspy.Predict("question -> answer")(question="1+1")
        (span,) = [span for span in capture.spans if span.name == "module Predict"]
    assert set(raised) == {_set_odd(TracerProvider(shutdown_on_exit=False).get_tracer("plain").start_span("plain"))}
    assert (span.attributes or {})["list"] == (1,)
    assert {"5", 5, "odd"}.isdisjoint(span.attributes or {})


@pytest.mark.parametrize("raised", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_a_redactor_that_ends_its_thread_ends_no_other(
    raised: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is called by the thread of the deferred queue, which continues with the next call."""
    monkeypatch.setattr(later_module, "DELAY", 0.01)
    ends = [raised]

    def redact(_name: str, text: str) -> str:
        if ends and threading.current_thread().name == "otel-dspy-deferred":
            raise ends.pop()
        return text

    with _redacting(redact) as capture:
        for _ in range(3):
            dspy.Predict("question -> answer")(question="1+1")
        awaited(lambda: ends_that_wait() == 0, "all to be told")
        assert ends == []
        assert len(capture.spans) == 6


def test_an_interrupt_while_an_end_is_processed_does_not_lose_the_span() -> None:
    """Ctrl-C during a flush, in the middle of a redactor: the flush ends with it, and the next one has all spans."""
    interrupts = [KeyboardInterrupt]

    def interrupted(_name: str, text: str) -> str:
        if interrupts:
            raise interrupts.pop()
        return text

    with _redacting(interrupted) as capture:
        dspy.Predict("question -> answer")(question="1+1")
        with pytest.raises(KeyboardInterrupt):
            capture.tracer_provider.force_flush()
        assert [span.name for span in capture.spans] == ["chat scripted", "module Predict"]
