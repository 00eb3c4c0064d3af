"""Arize Phoenix, a real server: tokens and costs that it counts other than DSPy does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import dspy
import litellm
import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_dspy import DSPyInstrumentor
from tests.integration.backends.reference_telemetry import otlp
from tests.support.lm_server import Reply, scripted_lm
from tests.support.phoenix_server import needs_phoenix

if TYPE_CHECKING:
    from tests.support.phoenix_server import Phoenix

pytestmark = needs_phoenix

PROJECT: Final = "costs"
MILLION: Final = 1_000_000


def _embedded(*_: Any, **__: Any) -> Any:
    usage: Any = litellm.Usage(prompt_tokens=MILLION, completion_tokens=0, total_tokens=MILLION)
    data = [{"embedding": [1.0], "index": 0, "object": "embedding"}]
    return litellm.EmbeddingResponse(model="text-embedding-3-small", data=data, usage=usage)


def _called(phoenix: Phoenix, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, dict[str, Any]]:
    """Phoenix's sum over the project and the attributes of each span, after a call of a local model and an embedding."""
    monkeypatch.setattr(litellm, "embedding", _embedded)
    provider = TracerProvider(resource=Resource({"openinference.project.name": PROJECT}), shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(otlp(phoenix.url)))
    DSPyInstrumentor().instrument(tracer_provider=provider)
    try:
        with scripted_lm(lambda _: Reply("Ulm.", input_tokens=MILLION, output_tokens=MILLION)) as server:
            lm: Any = dspy.LM("openai/marco-o1", api_base=server.api_base, api_key="k", cache=False)
            lm("Where?")
        dspy.Embedder("openai/text-embedding-3-small", caching=False)(["Ulm"])
    finally:
        DSPyInstrumentor().uninstrument()
    provider.shutdown()
    held = phoenix.read({PROJECT: {"spans": 2, "tokens": 2 * MILLION}})[PROJECT]
    return held["cost"], {span["name"].split()[0]: span["attributes"] for span in held["spans"]}


def test_a_part_of_a_name_is_priced_and_embeddings_are_not_counted(
    phoenix: Phoenix, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The spans have what DSPy knows: no cost of a model that is in no price list, and the tokens of the embedding."""
    total, spans = _called(phoenix, monkeypatch)
    assert total == {"tokens": 2 * MILLION, "cost": pytest.approx(75.0)}  # the price of o1
    assert "dspy.lm.cost" not in spans["chat"]
    assert spans["embeddings"]["gen_ai.usage.input_tokens"] == MILLION
