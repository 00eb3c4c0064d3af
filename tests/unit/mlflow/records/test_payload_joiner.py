"""Joining the pieces of large texts, completely or not at all."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import tracemalloc
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_dspy.mlflow.records.payload_joiner import PayloadShelf
from otel_dspy.mlflow.records.span import SpanRecord
from otel_dspy.mlflow.records.span_records import PayloadPiece

if TYPE_CHECKING:
    from random import Random


def span(span_id: str, attributes: dict[str, str] | None = None, parent: str | None = None) -> SpanRecord:
    """A span without other data."""
    return SpanRecord(
        trace_id="t", span_id=span_id, parent_id=parent, name="n", kind="INTERNAL", start_ns=0, end_ns=1,
        attributes=attributes or {},
    )  # fmt: skip


def pieces(owner: str, text: str, count: int) -> list[PayloadPiece]:
    """The text in pieces, as the contract has it."""
    packed = base64.b64encode(gzip.compress(text.encode())).decode()
    size = -(-len(packed) // count)
    return [
        PayloadPiece(
            span=span(f"{owner}{index}", parent=owner), payload_id=hashlib.sha256(text.encode()).hexdigest(),
            owner_id=owner, attribute="a", index=index, count=count, encoding="gzip+base64",
            data=packed[index * size : (index + 1) * size],
        )
        for index in range(count)
    ]  # fmt: skip


def reference(text: str) -> dict[str, str]:
    """The attribute's value that references the text."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    return {"a": json.dumps({"$payload": digest, "bytes": len(text.encode())}), "b": "stays"}


@given(text=st.text(min_size=1), count=st.integers(1, 5), order=st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_pieces_in_any_order_and_twice_make_the_text(text: str, count: int, order: Random) -> None:
    """Whatever the text, the number of pieces, their order and repetitions, the text is what was sent."""
    shelf = PayloadShelf()
    sent = pieces("o", text, count) * 2
    order.shuffle(sent)
    for piece in sent:
        shelf.add(piece)
    assert shelf.resolve(span("o", reference(text))).attributes == {"a": text, "b": "stays"}


def test_two_spans_with_the_same_text_each_get_it() -> None:
    """Their pieces interleave; the first span to end does not take the other's along."""
    shelf = PayloadShelf()
    for one, two in zip(pieces("o", "same", 2), pieces("p", "same", 2), strict=True):
        shelf.add(one)
        shelf.add(two)
    for owner in ("o", "p"):
        assert shelf.resolve(span(owner, reference("same"))).attributes["a"] == "same"


@pytest.mark.parametrize(
    "damage", ["missing", "none", "wrong digest", "encoding", "not base64"], ids=lambda name: name.replace(" ", "-")
)
def test_a_text_that_is_not_whole_is_left_out(damage: str, caplog: pytest.LogCaptureFixture) -> None:
    """The attribute of an incomplete text is dropped with a warning, the rest of the span stays."""
    shelf = PayloadShelf()
    sent = pieces("o", "text" * 100, 2)
    if damage == "missing":
        sent = sent[1:]
    elif damage == "none":
        sent = []
    elif damage == "wrong digest":
        sent = pieces("o", "other", 2)
    else:
        sent = [replace(piece, encoding="zip") if damage == "encoding" else replace(piece, data="*") for piece in sent]
    for piece in sent:
        shelf.add(piece)
    assert shelf.resolve(span("o", reference("text" * 100))).attributes == {"b": "stays"}
    assert "is dropped" in caplog.text


def test_a_text_is_unzipped_no_further_than_to_its_bound(caplog: pytest.LogCaptureFixture) -> None:
    """A decompression bomb is dropped like any damaged text, with one warning; the rest stays."""
    shelf = PayloadShelf(max_text=1000)
    sizes: list[int] = []
    for owner, text in (("o", "x" * 1000), ("p", "x" * 1001), ("q", "x" * 50_000_000)):
        for piece in pieces(owner, text, 2):
            shelf.add(piece)
        wanted = span(owner, reference(text))
        tracemalloc.start()
        found = shelf.resolve(wanted).attributes
        sizes.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        assert found == {"b": "stays"} | ({"a": text} if owner == "o" else {})
    assert max(sizes) < 1_000_000
    assert [record.getMessage() for record in caplog.records] == [
        "a of span n is dropped: it has more than 1000 bytes, uncompressed"
    ] * 2


def test_a_text_that_only_looks_like_a_reference_stays() -> None:
    """A user's own JSON that begins alike is not touched."""
    for text in ('{"$payload": 3}', '{"$payload"', '{"$payload": "x"}' + " " * 300):
        assert PayloadShelf().resolve(span("o", {"a": text})).attributes == {"a": text}


def test_pieces_whose_span_never_comes_do_not_fill_the_memory(caplog: pytest.LogCaptureFixture) -> None:
    """Beyond the bound the oldest are dropped, with a warning."""
    shelf = PayloadShelf(max_waiting=50)
    for owner in ("o", "p"):
        for piece in pieces(owner, "text", 2):
            shelf.add(piece)
    assert "a" not in shelf.resolve(span("o", reference("text"))).attributes
    assert shelf.resolve(span("p", reference("text"))).attributes["a"] == "text"
    assert "; a of span o is dropped" in caplog.text


@pytest.mark.parametrize("count", [10**8, 2**63 - 1, 0, -1, -(2**63)])
def test_a_count_of_pieces_that_cannot_be_costs_nothing(count: int, caplog: pytest.LogCaptureFixture) -> None:
    """The sender's count of pieces is untrusted: it causes neither long loops nor allocations."""
    shelf = PayloadShelf()
    shelf.add(replace(pieces("o", "text", 1)[0], count=count))
    owner = span("o", reference("text"))
    tracemalloc.start()
    assert shelf.lacks(owner) == ["a"]
    assert shelf.resolve(owner).attributes == {"b": "stays"}
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()
    assert f"1 of its {count} pieces were received" in caplog.text


def test_pieces_without_data_do_not_fill_the_memory() -> None:
    """A piece counts with its overhead and the other attributes of its span."""
    shelf = PayloadShelf(max_waiting=100_000)
    (empty,) = pieces("o", "text", 1)
    for number in range(5_000):
        shelf.add(replace(empty, owner_id=f"o{number}", data=""))
    assert len(shelf._pieces) <= 400
    shelf.add(replace(empty, span=span("large", {"c": "x" * 200_000}), owner_id="large", data=""))
    shelf.add(replace(empty, owner_id="last"))
    assert [owner for _, owner, _ in shelf._pieces] == ["last"]


def test_pieces_of_one_span_do_not_fill_the_memory() -> None:
    """Pieces of one span beyond the maximum size of a text are dropped."""
    shelf = PayloadShelf(max_waiting=10_000, max_text=20_000)
    (piece,) = pieces("o", "text", 1)
    for index in range(200):
        shelf.add(replace(piece, index=index, count=10**6, data="x" * 1_000))
        assert shelf._waiting <= 42_000
