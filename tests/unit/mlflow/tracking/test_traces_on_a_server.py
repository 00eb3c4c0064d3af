"""Infos and spans of new traces on a server, which has no transaction for both: what is read back, and what is not."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from mlflow.exceptions import MlflowException

from otel_dspy.mlflow.tracking.store.store import Store
from otel_dspy.mlflow.tracking.store.traces.trace_corrections import TraceCorrections
from otel_dspy.mlflow.tracking.store.traces.trace_store import TraceStore
from otel_dspy.mlflow.tracking.traces import trace_sender
from tests.support.blank_store import blank_store
from tests.support.database_statements import mlflow_store
from tests.unit.mlflow.tracking.test_whole_traces import (
    applied,
    applier_of,
    call,
    read_back,
    span,
    tokens_of,
    trace_info,
    traces,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from otel_dspy.mlflow.mapping.trace_operations import LogSpan, LogTrace
    from otel_dspy.mlflow.tracking.operation_applier import OperationApplier

__all__ = ["read_back"]


@pytest.fixture
def uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty store, whose traces are sent as to a server."""

    def always(_uri: str) -> bool:
        return True

    monkeypatch.setattr(trace_sender, "is_server", always)
    return blank_store(tmp_path)


@pytest.fixture
def infos_read(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Filled with the ids of traces whose infos are read, a list for each request."""
    read = TraceCorrections.confirmed
    found: list[list[str]] = []

    def noted(store: TraceCorrections, experiment_id: str, sums: Mapping[str, Mapping[str, str]]) -> set[str]:
        found.append(list(sums))
        return read(store, experiment_id, sums)

    monkeypatch.setattr(TraceCorrections, "confirmed", noted)
    return found


def called(number: int, *, tokens: int = 10, cost: float | None = 0.5) -> list[LogTrace | LogSpan]:
    """An ended trace with two calls of a language model, recorded by this library."""
    root = span(number, 1, parent=None)
    calls = [call(number, own, input_tokens=tokens, output_tokens=0, cost=cost) for own in (2, 3)]
    return [*calls, replace(root, span=replace(root.span, scope="otel_dspy")), trace_info(number)]


def test_new_traces_are_not_read_back(uri: str, read_back: list[str], infos_read: list[list[str]]) -> None:
    """Their infos are, in one request for all: MLflow has the sums that came with them."""
    applied(applier_of(uri), [operation for number in range(1, 9) for operation in called(number)])
    assert read_back == []
    assert [sorted(ids) for ids in infos_read] == [[f"{number:032x}" for number in range(1, 9)]]
    assert [tokens_of(uri, number) for number in range(1, 9)] == [20] * 8


def test_calls_that_mlflow_may_price_are_read_back(uri: str, read_back: list[str]) -> None:
    """The cost that it adds to the sums is unknown here."""
    priced = [
        replace(one, unpriced_model=None) if hasattr(one, "unpriced_model") else one for one in called(1, cost=None)
    ]
    applied(applier_of(uri), priced)
    assert f"{1:032x}" in read_back
    assert tokens_of(uri, 1) == 20


def test_calls_that_have_no_price_are_not_read_back(uri: str, read_back: list[str]) -> None:
    """Neither here nor in MLflow."""
    applied(applier_of(uri), called(1, cost=None))
    assert f"{1:032x}" not in read_back
    assert "mlflow.trace.cost" not in traces(uri)[f"tr-{1:032x}"]["trace_metadata"]


def test_spans_of_another_bridge_that_came_before(uri: str, read_back: list[str]) -> None:
    """MLflow's answer to the info shows that there are spans: the trace is read back."""
    applied(applier_of(uri), [call(1, 4, input_tokens=10, output_tokens=0)])
    applied(applier_of(uri), [*called(1), *called(2)])
    assert f"{1:032x}" in read_back
    assert f"{2:032x}" not in read_back
    assert (tokens_of(uri, 1), tokens_of(uri, 2)) == (30, 20)


def test_more_spans_of_a_trace_come_later(uri: str) -> None:
    """In the next batch, and, of another trace, before the sums of the first batch are checked."""
    applier = applier_of(uri)
    applied(applier, called(1))
    applied(applier, [call(1, 4, input_tokens=10, output_tokens=0)])
    assert tokens_of(uri, 1) == 30


def between(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> list[str]:
    """Act once between the info of a trace and its spans; the list is filled with when it has been done."""
    stores: Any = TraceStore
    log: Callable[..., Any] = stores.log_spans
    done: list[str] = []

    def acting(store: object, experiment_id: str, spans: Any) -> Any:
        if not done:
            done.append("act")
            thread = threading.Thread(target=act)
            thread.start()
            thread.join()
        return log(store, experiment_id, spans)

    monkeypatch.setattr(stores, "log_spans", acting)
    return done


def test_another_bridge_between_info_and_spans(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It corrects the sums of an ended trace without the spans that follow: these are counted in the end."""
    other: OperationApplier = applier_of(uri)
    writer = applier_of(uri)
    done = between(monkeypatch, lambda: applied(other, [call(1, 4, input_tokens=10, output_tokens=0)]))
    applied(writer, called(1))
    assert done
    assert tokens_of(uri, 1) == 30


def test_an_end_that_is_lost_in_between(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state is compared with the note of the end, as where all is read back."""
    store, writer = Store(uri), applier_of(uri)
    experiment = store.experiment_id("e")
    begun = replace(trace_info(1), state=None, duration_ms=None)

    def begin() -> None:
        store.traces.start_trace(experiment, begun, None)

    between(monkeypatch, begin)
    applied(writer, called(1))
    assert mlflow_store(uri).get_trace_info(f"tr-{1:032x}").state == "OK"


def test_a_server_that_cannot_find_infos_by_id(uri: str, monkeypatch: pytest.MonkeyPatch, read_back: list[str]) -> None:
    """It rejects the filter: traces are read back."""
    stores: Any = mlflow_store(uri).__class__

    def search(*_: object, **_named: object) -> Any:
        raise MlflowException.invalid_parameter_value("Invalid attribute key 'request_id'")

    applier = applier_of(uri)
    monkeypatch.setattr(stores, "search_traces", search)
    applied(applier, called(1))
    monkeypatch.undo()
    assert f"{1:032x}" in read_back
    assert tokens_of(uri, 1) == 20
