"""Infos and spans of new traces in one transaction of a local database, where nothing is read back."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from otel_dspy.bridge.multi_writer.concurrent_writer import ConcurrentWriter
from otel_dspy.mlflow.mapping.run_keys import CompileRun, TrialRun
from otel_dspy.mlflow.mapping.trace_operations import LogSpan, LogTrace
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.records.span import SpanRecord
from otel_dspy.mlflow.tracking.operation_applier import OperationApplier
from otel_dspy.mlflow.tracking.store.traces.trace_corrections import TraceCorrections
from otel_dspy.mlflow.tracking.writers.exclusive_writer import ExclusiveWriter
from tests.support.blank_store import blank_store
from tests.support.database_statements import COMMIT, mlflow_store

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from otel_dspy.mlflow.tracking.store.traces.trace_corrections import Correction

USAGE: Final = "mlflow.chat.tokenUsage"
SUM: Final = "mlflow.trace.tokenUsage"


@pytest.fixture
def read_back(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Filled with the ids of traces whose sums are read."""
    read = TraceCorrections.of
    found: list[str] = []

    def noted(store: TraceCorrections, trace_ids: Sequence[str]) -> dict[str, Correction]:
        found.extend(trace_ids)
        return read(store, trace_ids)

    monkeypatch.setattr(TraceCorrections, "of", noted)
    return found


def applier_of(uri: str, writer: type[ExclusiveWriter | ConcurrentWriter] = ConcurrentWriter) -> OperationApplier:
    """One that has written a trace, by which it knows the experiment."""
    applier = OperationApplier(writer(Destination(uri, Experiment(name="e")), threading.Event()))
    applier.apply(trace_info(999))
    applier.send_all()
    return applier


def trace_info(number: int) -> LogTrace:
    """The info of an ended trace."""
    trace_id = f"{number:032x}"
    return LogTrace(
        key=trace_id, trace_id=trace_id, run=None, start_ms=1, root_id=f"{1:016x}", name="p", state="OK",
        duration_ms=1, request="1+1", response="2",
    )  # fmt: skip


def span(number: int, span_id: int, *, parent: int | None = 1, tokens: int = 0) -> LogSpan:
    """A span of the trace; the one without a parent is its root."""
    trace_id, parent_id = f"{number:032x}", f"{parent:016x}" if parent is not None else None
    resource = {"service.name": "s", "host.name": "h"}
    recorded = SpanRecord(
        trace_id=trace_id, span_id=f"{span_id:016x}", parent_id=parent_id, name="p", kind="INTERNAL",
        start_ns=1_000_000, end_ns=2_000_000, attributes={}, resource=resource,
    )  # fmt: skip
    usage = {"input_tokens": tokens, "output_tokens": 0, "total_tokens": tokens}
    return LogSpan(
        key=f"{number}/{span_id}", trace_id=trace_id, span=recorded, parent_id=parent_id,
        attributes={USAGE: json.dumps(usage)} if tokens else {},
    )  # fmt: skip


def whole(number: int, *, tokens: int = 10) -> list[LogTrace | LogSpan]:
    """An ended trace with two calls of a language model."""
    spans = [span(number, 2, tokens=tokens), span(number, 3, tokens=tokens), span(number, 1, parent=None)]
    return [*spans, trace_info(number)]


def applied(applier: OperationApplier, operations: Sequence[LogTrace | LogSpan]) -> None:
    """Apply operations and send them."""
    for operation in operations:
        applier.apply(operation)
    applier.send_all()
    assert (applier.lost, applier.failed) == (0, 0)


def traces(uri: str) -> dict[str, dict[str, Any]]:
    """What MLflow returns of each trace that has spans, without the place of its artifacts."""
    client: Any = MlflowClient(uri)
    experiment = client.get_experiment_by_name("e").experiment_id
    found = client.search_traces([experiment], max_results=500)
    return {
        trace.info.trace_id: trace.info.to_dict()
        | {
            "tags": {name: value for name, value in trace.info.tags.items() if name != "mlflow.artifactLocation"},
            "spans": sorted(json.dumps(span.to_dict(), sort_keys=True) for span in trace.data.spans),
        }
        for trace in found
        if trace.data.spans
    }


def tokens_of(uri: str, number: int) -> int:
    """The trace's tokens."""
    return int(json.loads(traces(uri)[f"tr-{number:032x}"]["trace_metadata"][SUM])["total_tokens"])


@pytest.mark.parametrize("writer", [ConcurrentWriter, ExclusiveWriter])
def test_new_traces_are_one_transaction(
    uri: str,
    statements: list[str],
    read_back: list[str],
    tmp_path: Path,
    writer: type[ExclusiveWriter | ConcurrentWriter],
) -> None:
    """With their infos and spans, as MLflow has them from one request after the other."""
    applier = applier_of(uri, writer)
    statements.clear()
    applied(applier, [operation for number in range(1, 9) for operation in whole(number)])
    assert statements.count(COMMIT) == 1
    assert len([one for one in statements if one.startswith("SELECT") and "FROM trace_tags" in one]) <= 1
    assert read_back == []
    other = blank_store(tmp_path / "other")
    one_by_one = applier_of(other, writer)
    for number in range(1, 9):
        applied(one_by_one, whole(number)[3:])
        applied(one_by_one, whole(number)[:3])
    assert traces(uri) == traces(other)
    assert tokens_of(uri, 7) == 20


@pytest.mark.parametrize("writer", [ConcurrentWriter, ExclusiveWriter])
def test_the_first_traces_of_runs_are_one_transaction(
    uri: str, statements: list[str], read_back: list[str], writer: type[ExclusiveWriter | ConcurrentWriter]
) -> None:
    """The runs are created before, each once, and none of the traces is written apart."""
    applier = applier_of(uri, writer)
    for number in range(1, 9):
        *spans, info = whole(number)
        assert isinstance(info, LogTrace)
        for operation in (*spans, replace(info, run=TrialRun("c", number % 2, CompileRun("c")))):
            applier.apply(operation)
    statements.clear()
    applier.send_all()
    assert (applier.lost, applier.failed) == (0, 0)
    assert len([one for one in statements if one.startswith("INSERT INTO spans")]) == 1
    assert read_back == []
    client: Any = MlflowClient(uri)
    runs = client.search_runs([client.get_experiment_by_name("e").experiment_id])
    assert sorted(run.info.run_name for run in runs) == ["compile", "trial 0", "trial 1"]
    placed = {run.info.run_id: run.info.run_name for run in runs}
    found = traces(uri)
    assert {
        number: placed[found[f"tr-{number:032x}"]["trace_metadata"]["mlflow.sourceRun"]] for number in range(1, 9)
    } == {number: f"trial {number % 2}" for number in range(1, 9)}


def call(number: int, span_id: int, *, parent: int | None = 1, cost: float | None = 0.5, **usage: int) -> LogSpan:
    """A call of a language model, as it is recorded by this library."""
    found = span(number, span_id, parent=parent)
    attributes: dict[str, object] = {f"gen_ai.usage.{name}": tokens for name, tokens in usage.items()}
    if cost is not None:
        attributes["mlflow.llm.cost"] = {"input_cost": 0.0, "output_cost": 0.0, "total_cost": cost}
    return replace(
        found, span=replace(found.span, scope="otel_dspy"), attributes=attributes, cost=cost,
        unpriced_model="m" if cost is None else None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("calls", "updates"),
    [
        ([call(1, 2, input_tokens=3, output_tokens=4), call(1, 3, input_tokens=5, output_tokens=6)], 0),
        ([call(1, 2, input_tokens=3, output_tokens=4, cost=None)], 0),
        ([call(1, 2, input_tokens=3, output_tokens=4, cost=0.0), call(1, 3, cost=0.25)], 0),
        ([call(1, 2, input_tokens=3, output_tokens=4, **{"cache_read.input_tokens": 2})], 1),
        ([call(1, 2, input_tokens=3)], 1),
        ([call(1, 2, input_tokens=3, output_tokens=4), call(1, 3, parent=2, input_tokens=3, output_tokens=4)], 1),
        ([span(1, 2, tokens=10)], 1),
    ],
    ids=["calls", "unknown cost", "cached", "tokens from a cache", "no output", "inside of one another", "foreign"],
)
def test_sums_of_a_new_trace(
    uri: str, statements: list[str], tmp_path: Path, calls: list[LogSpan], updates: int
) -> None:
    """Those that MLflow would make are in the info, so that MLflow need not update it; else MLflow makes them."""
    root = replace(span(1, 1, parent=None), span=replace(span(1, 1, parent=None).span, scope="otel_dspy"))
    applier = applier_of(uri)
    statements.clear()
    applied(applier, [*calls, root, trace_info(1), *whole(2, tokens=0)])
    assert len([one for one in statements if one.startswith("UPDATE trace_info SET") and "tokens" in one]) == updates
    other = blank_store(tmp_path / "other")
    one_by_one = applier_of(other)
    applied(one_by_one, [trace_info(1)])
    applied(one_by_one, [*calls, root])
    found, wanted = traces(uri)[f"tr-{1:032x}"], traces(other)[f"tr-{1:032x}"]
    assert found["trace_metadata"] == wanted["trace_metadata"]
    assert SUM in found["trace_metadata"]


def test_spans_of_another_bridge_that_come_later(uri: str, read_back: list[str]) -> None:
    """It reads the trace, which has ended, and writes the sums of all spans: those of the first bridge as well."""
    other = applier_of(uri)
    applied(applier_of(uri), whole(1))
    assert read_back == []
    applied(other, [span(1, 4, tokens=10)])
    assert tokens_of(uri, 1) == 30


def test_spans_of_another_bridge_that_came_before(uri: str) -> None:
    """The trace is not new: the transaction is undone, each is written on its own, and the sums are read."""
    applied(applier_of(uri), [span(1, 4, tokens=10)])
    applied(applier_of(uri), [*whole(1), *whole(2)])
    assert (tokens_of(uri, 1), tokens_of(uri, 2)) == (30, 20)


def test_more_spans_of_a_trace_come_later(uri: str, read_back: list[str]) -> None:
    """As with a straggler: this bridge reads the sums then."""
    applier = applier_of(uri)
    applied(applier, whole(1))
    applied(applier, [span(1, 4, tokens=10)])
    assert set(read_back) == {f"{1:032x}"}
    assert tokens_of(uri, 1) == 30


def test_calls_inside_of_one_another(uri: str, read_back: list[str]) -> None:
    """Versions of MLflow differ in how they sum tokens of both a call and one inside of it: they are read."""
    nested = [span(1, 2, tokens=10), span(1, 3, parent=2, tokens=4), span(1, 1, parent=None), trace_info(1)]
    applied(applier_of(uri), nested)
    assert read_back
    assert tokens_of(uri, 1) == 10


def test_spans_that_mlflow_rejects_together(uri: str, monkeypatch: pytest.MonkeyPatch, statements: list[str]) -> None:
    """Such as those of several traces, before 3.9: the infos share a transaction, and spans are written by trace."""
    stores: Any = mlflow_store(uri).__class__
    log: Callable[..., Any] = stores.log_spans
    several: list[int] = []

    def one_trace(store: object, location: str, spans: Sequence[Any], *more: object, **named: object) -> Any:
        ids = {one.trace_id for one in spans}
        if len(ids) > 1:
            several.append(len(ids))
            raise MlflowException.invalid_parameter_value("spans of one trace, please")
        return log(store, location, spans, *more, **named)

    applier = applier_of(uri)
    monkeypatch.setattr(stores, "log_spans", one_trace)
    applied(applier, [operation for number in range(1, 5) for operation in whole(number)])
    several.clear()
    statements.clear()
    applied(applier, [operation for number in range(5, 9) for operation in whole(number)])
    assert len(several) == 1  # in no transaction with infos
    assert statements.count(COMMIT) == 1 + 4
    assert [tokens_of(uri, number) for number in range(1, 9)] == [20] * 8


def test_a_tag_of_a_trace_that_exists(uri: str) -> None:
    """One that changes, one that stays and one that is new, in a transaction with the infos of others."""
    applier = applier_of(uri)
    applied(applier, whole(1))
    late = span(1, 4)
    late = replace(late, span=replace(late.span, resource={"service.name": "t", "host.name": "h", "os.type": "linux"}))
    applied(applier, [*whole(2), late, *whole(3)])
    tags = traces(uri)[f"tr-{1:032x}"]["tags"]
    assert (tags["service.name"], tags["host.name"], tags["os.type"]) == ("t", "h", "linux")


def test_a_store_that_reads_what_it_has_written(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An info that is read within the transaction is there, though others are not sent to the database yet."""
    stores: Any = mlflow_store(uri).__class__
    start: Callable[..., Any] = stores.start_trace
    read: list[str] = []

    def start_and_read(store: Any, info: Any) -> Any:
        started = start(store, info)
        read.append(store.get_trace_info(info.trace_id).trace_id)
        return started

    applier = applier_of(uri)
    monkeypatch.setattr(stores, "start_trace", start_and_read)
    applied(applier, [operation for number in range(1, 4) for operation in whole(number)])
    assert read == [f"tr-{number:032x}" for number in range(1, 4)]
    assert [tokens_of(uri, number) for number in range(1, 4)] == [20] * 3
