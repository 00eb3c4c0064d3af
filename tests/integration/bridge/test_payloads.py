"""Payload pieces of texts too large for an attribute, which may arrive separately."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING

import dspy
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.chaos.twins import record
from tests.integration.bridge.test_once import deliver
from tests.support.addition_task import addition_lm, exact
from tests.support.instrumented_dspy import instrumented
from tests.support.optimizers import Rounds

if TYPE_CHECKING:
    from collections.abc import Callable

LARGE = 400_000
"""Characters of chance in one row: far more than one attribute holds, compressed too."""


@pytest.fixture(scope="module")
def requests() -> list[bytes]:
    """A compile with a large dataset, each span a request of its own."""
    kept = InMemorySpanExporter()
    chance = random.Random(1)  # noqa: S311 - chance, no secret
    noise = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=LARGE))
    rows = [dspy.Example(question="0+1", answer="1", noise=noise).with_inputs("question")]
    with instrumented(SimpleSpanProcessor(kept), capture_content=False), dspy.context(lm=addition_lm()):
        Rounds(exact).compile(dspy.Predict("question -> answer"), trainset=rows)
    spans = kept.get_finished_spans()
    assert sum(span.name == "payload" for span in spans) > 1
    return [encode_spans([span]).SerializeToString() for span in spans]


@pytest.mark.parametrize(
    ("order", "writers", "restart"),
    [
        ("told", 1, 0),
        ("told", 1, 1),
        pytest.param("reversed", 1, 0, marks=pytest.mark.slow),  # with a restart or a second writer below
        ("reversed", 1, 1),
        ("reversed", 2, 0),
    ],
)
def test_pieces_and_their_span_meet(
    requests: list[bytes], new_store: Callable[[str], str], order: str, writers: int, restart: int
) -> None:
    """Before or after their span, at one writer or two, with a restart after every request: the text is whole."""
    store = new_store("pieces")
    deliver(store, requests if order == "told" else requests[::-1], writers, restart)
    (run,) = record(store, "once")["runs"]
    assert run["status"] == "FINISHED"
    table = run["artifacts"]["trainset.json"]
    assert len(json.dumps(table["data"])) > LARGE
    assert [child["status"] for child in run["children"]] == ["FINISHED"] * 2
    assert all("model.json" in child["artifacts"] for child in run["children"])
