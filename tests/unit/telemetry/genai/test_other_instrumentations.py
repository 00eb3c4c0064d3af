"""A span that is another instrumentation's for the same call is used, and no second one is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
import pytest
from inline_snapshot import snapshot
from opentelemetry.context import Context, get_value, set_value
from opentelemetry.sdk.trace import TracerProvider as SdkTracerProvider
from opentelemetry.trace import set_span_in_context

from otel_dspy import DSPyInstrumentor
from otel_dspy.telemetry.genai.other_instrumentations import OtherInstrumentations
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import CountingIds, Recorder, recording
from tests.support.telemetry_capture import TelemetryCapture
from tests.support.wrapping_provider import WrappingProvider

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.trace import TracerProvider

CHAT = {"gen_ai.operation.name": "chat"}
SHOWN = ("gen_ai.usage.input_tokens", "lm.cache_hit", "lm.role")


def _ask(provider: TracerProvider, attributes: Mapping[str, str] | None = None, times: int = 1) -> None:
    tracer = provider.get_tracer("another")
    lm: Any = in_process_lm(lambda _: "It is.")
    with tracer.start_as_current_span("theirs", attributes=attributes):
        for _ in range(times):
            lm("What is it?")


@pytest.mark.parametrize("kind", [CHAT, {"openinference.span.kind": "LLM"}], ids=["gen_ai", "openinference"])
def test_one_span_a_call(kind: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    """A span that declares a model's call gets otel-dspy's attributes; it is logged once; the metrics count."""
    with recording() as recorder:
        _ask(recorder.capture.tracer_provider, kind)
        _ask(recorder.capture.tracer_provider, kind)
    assert recorder.tree("", *SHOWN) == ["theirs lm.cache_hit=False gen_ai.usage.input_tokens=10"] * 2
    (line,) = caplog.records
    assert line.getMessage().startswith("another creates spans for the same calls (chat): otel-dspy adds its")


def test_a_second_call_in_it_has_its_own() -> None:
    """One span is one call's."""
    with recording() as recorder:
        _ask(recorder.capture.tracer_provider, CHAT, 2)
    assert recorder.tree("", "lm.cache_hit") == snapshot(
        ["theirs lm.cache_hit=False", "  chat scripted lm.cache_hit=False"]
    )


def test_another_kind_of_span_is_only_around() -> None:
    """A span of the user's, and one of something else, is a parent and nothing more."""
    with recording() as recorder:
        _ask(recorder.capture.tracer_provider)
        _ask(recorder.capture.tracer_provider, {"gen_ai.operation.name": "invoke_workflow"})
    assert recorder.tree("", "lm.cache_hit") == ["theirs", "  chat scripted lm.cache_hit=False"] * 2


def test_one_span_a_call_where_the_provider_wraps_the_sdks(caplog: pytest.LogCaptureFixture) -> None:
    """Logfire's provider wraps provider, tracers and spans: both spans have one destination there, too."""
    capture = TelemetryCapture(id_generator=CountingIds())
    wrapping = WrappingProvider(capture.tracer_provider)
    DSPyInstrumentor().instrument(**{**capture.providers, "tracer_provider": wrapping})
    try:
        _ask(wrapping, CHAT)
    finally:
        DSPyInstrumentor().uninstrument()
    assert Recorder(capture).tree("", *SHOWN) == ["theirs lm.cache_hit=False gen_ai.usage.input_tokens=10"]
    assert [line.getMessage().partition(":")[0] for line in caplog.records] == [
        "another creates spans for the same calls (chat)"
    ]


@pytest.mark.contract_gaps("its parent was never exported")
@pytest.mark.parametrize("wraps", [False, True], ids=["the SDK's", "wrapping the SDK's"])
def test_a_span_of_another_provider_is_not_reused(*, wraps: bool) -> None:
    """Another provider's span gets nothing, and ours is made."""
    elsewhere, here = TelemetryCapture(), TelemetryCapture()
    DSPyInstrumentor().instrument(**here.providers)
    try:
        _ask(WrappingProvider(elsewhere.tracer_provider) if wraps else elsewhere.tracer_provider, CHAT)
    finally:
        DSPyInstrumentor().uninstrument()
    assert [span.name for span in here.spans] == ["chat scripted"]
    assert [dict(span.attributes or {}) for span in elsewhere.spans] == [CHAT]


@pytest.mark.parametrize(
    ("scope", "same_provider", "kept", "warned"),
    [("ours", True, True, 0), ("ours", False, True, 0), ("another", True, True, 1), ("another", False, False, 0)],
)
def test_a_call_of_another_provider_does_not_enclose_ours(
    caplog: pytest.LogCaptureFixture, scope: str, *, same_provider: bool, kept: bool, warned: int
) -> None:
    """The enclosing util-genai call is in the context unless another instrumentation's span goes elsewhere."""
    here, elsewhere = (SdkTracerProvider(shutdown_on_exit=False) for _ in range(2))
    others = OtherInstrumentations(here.get_tracer("ours"), "ours")
    around = (here if same_provider else elsewhere).get_tracer(scope).start_span("around", attributes=CHAT)
    context = set_value("call", "enclosing", set_span_in_context(around, Context()))
    assert get_value("call", others.genai_context("call", context)) == ("enclosing" if kept else None)
    assert [line.getMessage().partition(":")[0] for line in caplog.records] == [
        "another creates spans for the same calls (chat)"
    ] * warned


def test_a_call_that_fails() -> None:
    """The error's type goes onto their span; its status and its end are its owner's, and the exception goes on."""
    lm: Any = in_process_lm(lambda _: "It is.")
    lm._engine_spec.failures.append(ConnectionError("no line"))
    with recording() as recorder, pytest.raises(Exception, match="no line"), dspy.context(lm=lm):  # noqa: PT012 - two
        tracer = recorder.capture.tracer_provider.get_tracer("another")
        with tracer.start_as_current_span("theirs", attributes=CHAT):
            lm("What is it?")
    (span,) = recorder.spans
    assert span.attributes is not None
    assert "error.type" in span.attributes
    assert len(span.events) == 1
