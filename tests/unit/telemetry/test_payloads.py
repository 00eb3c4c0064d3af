from __future__ import annotations

import base64
import gzip
import hashlib
import itertools
import json
import random
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_dspy.telemetry.content.payloads import FLUSH_BYTES, PIECE_BYTES, PayloadFlusher, put_payload

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.util.types import AttributeValue

NAME = "dspy.program.state"


def emitted(text: str) -> tuple[ReadableSpan, list[ReadableSpan], list[int]]:
    """The span that carries the text, its pieces, and how many pieces had ended at each flush."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    flushes: list[int] = []
    tracer = provider.get_tracer("test")
    span = tracer.start_span("carrier")

    def flush(_seconds: float) -> bool:
        flushes.append(len(exporter.get_finished_spans()))
        return True

    put_payload(tracer, PayloadFlusher(flush), span, NAME, text)
    span.end()
    *pieces, carrier = exporter.get_finished_spans()
    return carrier, pieces, flushes


def attributes(span: ReadableSpan) -> Mapping[str, AttributeValue]:
    """A span's attributes."""
    return span.attributes or {}


def text_of(carrier: ReadableSpan, pieces: list[ReadableSpan]) -> str:
    """What a reader that knows only the contract gets."""
    value = str(attributes(carrier)[NAME])
    if not pieces:
        return value
    reference = json.loads(value)
    belonging = [piece for piece in pieces if attributes(piece)["dspy.payload.id"] == reference["$payload"]]
    belonging.sort(key=lambda piece: cast("int", attributes(piece)["dspy.payload.index"]), reverse=False)
    assert [attributes(piece)["dspy.payload.count"] for piece in belonging] == [len(belonging)] * len(belonging)
    joined = "".join(str(attributes(piece)["dspy.payload.data"]) for piece in belonging)
    plain = gzip.decompress(base64.b64decode(joined))
    assert len(plain) == reference["bytes"]
    assert hashlib.sha256(plain).hexdigest() == reference["$payload"]
    return plain.decode()


@settings(max_examples=30)
@given(st.text(min_size=1, max_size=20), st.integers(-3, 3), st.booleans())
def test_pieces_joined_give_the_text_back(unit: str, beyond: int, large: bool) -> None:  # noqa: FBT001 - drawn
    """Any unicode, on both sides of the limit: as it is up to 256 KiB, in pieces of at most that beyond."""
    text = unit
    if large:
        size = len(unit.encode())
        text = unit * (PIECE_BYTES // size)
        text += "x" * (PIECE_BYTES - len(text.encode()) + beyond)
    carrier, pieces, _ = emitted(text)
    assert text_of(carrier, pieces) == text
    assert bool(pieces) == (len(text.encode()) > PIECE_BYTES)


def test_the_limit_is_of_bytes_not_characters() -> None:
    """Half as many two-byte letters and one more make pieces."""
    assert emitted("ü" * (PIECE_BYTES // 2))[1] == []
    assert len(emitted("ü" * (PIECE_BYTES // 2) + "x")[1]) == 1


@pytest.mark.parametrize("mebibytes", [1, 5])
def test_pieces_of_what_does_not_compress(mebibytes: int) -> None:
    """Pieces keep to their size, end before their parent, stand under it, and never over 2 MiB go out unflushed."""
    text = random.Random(0).randbytes(mebibytes * 512 * 1024).hex()  # noqa: S311 - data, not cryptography
    carrier, pieces, flushes = emitted(text)
    assert text_of(carrier, pieces) == text
    assert text_of(carrier, pieces[::-1]) == text
    sizes = [len(str(attributes(piece)["dspy.payload.data"])) for piece in pieces]
    assert max(sizes) <= PIECE_BYTES
    assert [piece.parent for piece in pieces] == [carrier.context] * len(pieces)
    assert carrier.end_time is not None
    assert all(piece.end_time is not None and piece.end_time <= carrier.end_time for piece in pieces)
    edges = [0, *flushes, len(pieces)]
    assert max(sum(sizes[start:end]) for start, end in itertools.pairwise(edges)) <= FLUSH_BYTES
    assert bool(flushes) == (sum(sizes) > FLUSH_BYTES)


def test_the_same_text_makes_the_same_pieces() -> None:
    """No clock in the compressed bytes: sending twice can be distinguished from sending another text."""
    text = "again " * 100_000
    first, second = (emitted(text)[1] for _ in range(2))
    assert [dict(attributes(piece)) for piece in first] == [dict(attributes(piece)) for piece in second]


def test_small_payloads_in_a_row_are_flushed_too() -> None:
    """Many attributes that each fit do not leave in one message of more than 2 MiB."""
    flushes: list[int] = []
    sent = 0

    def flush(_seconds: float) -> bool:
        flushes.append(sent)
        return True

    flusher = PayloadFlusher(flush)
    for _ in range(50):
        flusher.add(PIECE_BYTES)
        sent += PIECE_BYTES
    edges = [0, *flushes, sent]
    assert max(after - before for before, after in itertools.pairwise(edges)) <= FLUSH_BYTES
    assert len(flushes) == 6


def test_a_slow_destination_is_not_waited_for_again() -> None:
    """After a flush that took too long the program is not held up for a minute."""
    flushes: list[float] = []

    def flush(seconds: float) -> bool:
        flushes.append(seconds)
        return False

    flusher = PayloadFlusher(flush)
    for _ in range(50):
        flusher.add(PIECE_BYTES)
    assert flushes == [1.0]
