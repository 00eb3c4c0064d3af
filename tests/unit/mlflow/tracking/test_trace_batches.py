"""Spans of a batch, in requests."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from otel_dspy.mlflow.mapping.trace_operations import LogSpan, LogTrace
from otel_dspy.mlflow.records.span import SpanRecord
from otel_dspy.mlflow.tracking.traces import trace_batches
from otel_dspy.mlflow.tracking.traces.trace_batches import MAX_CREATED, TraceBatch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


NONE: Mapping[str, str] = MappingProxyType({})


def batch_of(
    spans: Iterable[tuple[str, int]], infos: Sequence[str] = (), services: Mapping[str, str] = NONE
) -> TraceBatch:
    """Return a batch with these infos, and a span of so many characters for each trace that is named, of its service."""
    batch = TraceBatch()
    for trace_id in infos:
        batch.add_info(LogTrace(key=trace_id, trace_id=trace_id, run=None, start_ms=1, state="OK"))
    for number, (trace_id, characters) in enumerate(spans):
        record = SpanRecord(
            name="call", kind="INTERNAL", trace_id=trace_id, span_id=f"{number:016x}", parent_id=None, start_ns=1,
            end_ns=2, attributes={}, resource={"service.name": services.get(trace_id, "one")},
        )  # fmt: skip
        attributes = {"text": "x" * characters}
        batch.add_span(LogSpan(key=str(number), trace_id=trace_id, span=record, parent_id=None, attributes=attributes))
    return batch


def requests(batch: TraceBatch, most: int | None = None) -> list[str]:
    """Return the traces of each request, a letter for each span."""
    return ["".join(span.trace_id for span in spans) for spans in batch.requests(most)]


def test_a_trace_is_in_one_request() -> None:
    """Threads end their spans in turn: those of a trace are sent together, the oldest trace first."""
    batch = batch_of([(trace, 1) for trace in "abacbcdd"], "abcd")
    assert requests(batch, 4) == ["aabb", "ccdd"]
    assert requests(batch, 5) == ["aabb", "ccdd"]
    assert requests(batch, 6) == ["aabbcc", "dd"]


def test_traces_of_two_services_are_in_requests_of_their_own() -> None:
    """MLflow's client sends one resource in a request, that of the first span, of which MLflow makes tags of traces."""
    batch = batch_of([(trace, 1) for trace in "abcdabcd"], "abcd", {"b": "two", "d": "two"})
    assert requests(batch) == ["aacc", "bbdd"]


def test_a_trace_that_exceeds_a_request_is_divided() -> None:
    """The next one fills its last request."""
    assert requests(batch_of([(trace, 1) for trace in "aaabaab"], "ab"), 4) == ["aaaa", "abb"]


def test_the_spans_of_a_trace_keep_their_order() -> None:
    """Also where it is divided."""
    batch = batch_of([(trace, 1) for trace in "abaaba"], "ab")
    ids = [span.span.span_id for spans in batch.requests(3) for span in spans if span.trace_id == "a"]
    assert ids == sorted(ids)


def test_characters_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a request, and of the part of a trace in it; a span alone may exceed the bound."""
    monkeypatch.setattr(trace_batches, "MAX_CHARACTERS", 10)
    assert requests(batch_of([("a", 4), ("b", 4), ("a", 2), ("b", 1), ("c", 5), ("d", 11)], "abcd")) == [
        "aa",
        "bbc",
        "d",
    ]
    assert requests(batch_of([("a", 6), ("b", 5), ("a", 5), ("a", 5)], "ab")) == ["a", "aa", "b"]


def test_few_traces_of_a_request_are_created_by_it() -> None:
    """Those without an info; the others do not count."""
    unknown = [chr(ord("A") + number) for number in range(MAX_CREATED + 1)]
    batch = batch_of([(trace, 1) for trace in [*unknown, "x", *unknown]], "x")
    assert requests(batch) == ["".join(trace * 2 for trace in unknown[:-1]), unknown[-1] * 2 + "x"]


@pytest.mark.parametrize("most", [1, 2, 3, 7, None])
def test_every_span_is_in_one_request(most: int | None) -> None:
    """Whatever the bound."""
    batch = batch_of([(trace, 1) for trace in "abacbcddabba"], "ac")
    ids = [span.span.span_id for spans in batch.requests(most) for span in spans]
    assert sorted(ids) == [f"{number:016x}" for number in range(12)]
    assert all(len(spans) <= (most or 12) for spans in batch.requests(most))


def test_tags_are_part_of_an_info_that_waits() -> None:
    """Of a trace whose info was sent they are a request of their own, and part of what is sent of it later."""
    batch = TraceBatch()
    info = LogTrace(key="a", trace_id="a", run=None, start_ms=1, state="OK", tags={"one": "1"})
    batch.add_info(info)
    batch.add_tags("a", {"two": "2"})
    assert (dict(batch.infos["a"].tags), batch.tags) == ({"one": "1", "two": "2"}, {})
    batch.info_sent(batch.infos["a"])
    assert batch.empty
    batch.add_tags("a", {"three": "3"})
    assert (batch.empty, batch.tags) == (False, {"a": {"three": "3"}})
    batch.tags_sent("a")
    assert batch.empty
    batch.add_tags("a", {"four": "4"})
    batch.add_info(LogTrace(key="b", trace_id="a", run=None, start_ms=1))
    assert dict(batch.infos["a"].tags) == {"one": "1", "two": "2", "three": "3", "four": "4"}
    assert batch.tags == {}


def test_an_early_info_may_lose_tokens_until_the_sums_are_known() -> None:
    """MLflow ignores the tokens of spans that follow an info, unless both were written in one transaction."""
    for record in ("sums_known", "sums_sent"):
        batch = TraceBatch()
        info = LogTrace(key="a", trace_id="a", run=None, start_ms=1, state="OK", early=True)
        batch.add_info(info)
        batch.info_sent(info)
        assert [one.trace_id for one in batch.uncounted()] == ["a"]
        if record == "sums_known":
            batch.sums_known("a")
        else:
            batch.sums_sent(info)
        assert batch.uncounted() == []


def test_mlflow_sums_the_first_spans_of_a_trace_alone() -> None:
    """Those that were sent before its info count as the first: later ones may lose tokens."""
    batch = batch_of([("a", 1)])
    batch.spans_sent(batch.requests()[0])
    batch.add_info(LogTrace(key="a", trace_id="a", run=None, start_ms=1, state="OK"))
    batch.info_sent(batch.infos["a"])
    assert batch.uncounted() == []
    (span,) = batch_of([("a", 1)]).spans
    batch.add_span(span)
    batch.spans_sent(batch.requests()[0])
    assert [one.trace_id for one in batch.uncounted()] == ["a"]
