"""Several infos of traces in one transaction of a local database."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from otel_dspy.bridge.multi_writer.concurrent_writer import ConcurrentWriter
from otel_dspy.mlflow.mapping.operations import EndRun, EnsureRun, LogMetrics, MetricPoint
from otel_dspy.mlflow.mapping.run_keys import CompileRun
from otel_dspy.mlflow.mapping.trace_operations import Assessment, LogTrace
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.tracking.operation_applier import OperationApplier
from otel_dspy.mlflow.tracking.store.local_writes import TOGETHER
from otel_dspy.mlflow.tracking.store.store import Store
from otel_dspy.mlflow.tracking.store.store_transaction import one_transaction
from otel_dspy.mlflow.tracking.store.traces.trace_ends import PREFIX
from otel_dspy.mlflow.tracking.writers.exclusive_writer import ExclusiveWriter
from otel_dspy.runtime.fork_gate import ForkGate
from tests.support.blank_store import blank_store
from tests.support.database_statements import COMMIT, mlflow_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

WAIT: Final = 60.0


def trace_info(number: int) -> LogTrace:
    """The info of a scored trace."""
    trace_id = f"{number:032x}"
    score = Assessment(
        assessment_id=f"a-{trace_id}", name="exact", value=1.0, rationale=None, span_id=None, time_ms=2
    )  # fmt: skip
    return LogTrace(
        key=trace_id, trace_id=trace_id, run=None, start_ms=1, root_id="r", name="p", state="OK", duration_ms=1,
        request="1+1", response="2", tags={"otel.trace_id": trace_id}, metadata={"a": "b"}, client_request_id="c",
        assessments=(score,),
    )  # fmt: skip


def infos(uri: str) -> dict[str, dict[str, Any]]:
    """What MLflow returns of each trace, without the place of its artifacts."""
    client: Any = MlflowClient(uri)
    experiment = client.get_experiment_by_name("e").experiment_id
    found = [trace.info for trace in client.search_traces([experiment], max_results=500, include_spans=False)]
    return {info.trace_id: info.to_dict() | {"tags": info.tags.keys()} for info in found}


def _applier(uri: str, writer: type[ExclusiveWriter | ConcurrentWriter] = ExclusiveWriter) -> OperationApplier:
    return OperationApplier(writer(Destination(uri, Experiment(name="e")), threading.Event()))


def _delivered(applier: OperationApplier, numbers: range) -> None:
    for number in numbers:
        applier.apply(trace_info(number))
    applier.send_all()


def test_a_batch_is_one_transaction(uri: str, statements: list[str], tmp_path: Path) -> None:
    """As many as there may be in one; MLflow returns the same as of traces that were written one by one."""
    applier = _applier(uri)
    _delivered(applier, range(1))  # alone, with the experiment
    statements.clear()
    _delivered(applier, range(1, 1 + 2 * TOGETHER))
    assert statements.count(COMMIT) == 2
    assert (applier.done, applier.lost, applier.failed) == (1 + 2 * TOGETHER, 0, 0)
    other = blank_store(tmp_path / "other")
    store = Store(other)
    experiment = store.experiment_id("e")
    for number in range(1 + 2 * TOGETHER):
        store.traces.start_trace(experiment, trace_info(number), None)
    assert infos(uri) == infos(other)


def test_a_bridge_writes_ends_in_one_transaction(uri: str, statements: list[str]) -> None:
    """An info with the trace's end needs no look at what other bridges have written; one without is read first."""
    applier = _applier(uri, ConcurrentWriter)
    _delivered(applier, range(1))
    statements.clear()
    for number in range(1, 6):
        applier.apply(trace_info(number))
    for number in range(6, 8):
        applier.apply(replace(trace_info(number), state=None, duration_ms=None))
    applier.send_all()
    assert statements.count(COMMIT) == 3
    assert (applier.done, applier.lost, applier.failed) == (8, 0, 0)
    ends = [name for name in infos(uri)[f"tr-{1:032x}"]["trace_metadata"] if name.startswith(PREFIX)]
    assert len(ends) == 1
    states = {trace_id: info["state"] for trace_id, info in infos(uri).items()}
    assert states == {f"tr-{number:032x}": "OK" if number < 6 else "IN_PROGRESS" for number in range(8)}


def test_another_bridge_has_begun_one_of_the_traces(uri: str, statements: list[str]) -> None:
    """The transaction is undone, and each info gets one of its own."""
    other = _applier(uri, ConcurrentWriter)
    other.apply(replace(trace_info(2), state=None, duration_ms=None))
    other.send_all()
    applier = _applier(uri, ConcurrentWriter)
    _delivered(applier, range(100, 101))
    statements.clear()
    _delivered(applier, range(5))
    assert statements.count(COMMIT) == 5
    assert (applier.done, applier.lost, applier.failed) == (6, 0, 0)
    assert {info["state"] for info in infos(uri).values()} == {"OK"}


def test_a_transaction_reads_the_experiment_once(uri: str, statements: list[str]) -> None:
    """MLflow does for each info; other reads, before and after, see what has changed."""
    store = Store(uri)
    experiment = store.experiment_id("e")
    store.together([lambda: store.traces.start_trace(experiment, trace_info(0), None)], ForkGate())
    statements.clear()
    assert store.together(
        [
            lambda number=number: store.traces.start_trace(experiment, trace_info(number), None)
            for number in range(1, 6)
        ],
        ForkGate(),
    )
    experiments = [one for one in statements if one.startswith("SELECT experiments.experiment_id")]
    assert len(experiments) == 1
    store.tag_experiment(experiment, {"a": "b"})
    assert store.experiment_tags(experiment)["a"] == "b"


def test_an_update_has_a_transaction_of_its_own(uri: str, statements: list[str]) -> None:
    """MLflow undoes a transaction in which it finds an info that exists."""
    applier = _applier(uri)
    _delivered(applier, range(5))
    statements.clear()
    _delivered(applier, range(4, 8))
    assert statements.count(COMMIT) == 2
    assert len(infos(uri)) == 8


def test_what_another_process_has_written_is_merged(uri: str, statements: list[str]) -> None:
    """Of five infos one exists: the transaction is undone, and each gets one of its own, as without this."""
    _delivered(_applier(uri), range(2, 3))
    applier = _applier(uri)
    _delivered(applier, range(100, 101))
    statements.clear()
    _delivered(applier, range(5))
    assert statements.count(COMMIT) == 5
    assert (applier.done, applier.lost, applier.failed) == (6, 0, 0)
    assert len(infos(uri)) == 6


def test_a_rejected_info_takes_no_other_with_it(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One of five is lost, and the others are there."""
    stores: Any = mlflow_store(uri).__class__
    start: Callable[..., object] = stores.start_trace

    def failing(store: object, info: Any) -> object:
        started = start(store, info)
        if info.trace_id == f"tr-{2:032x}":
            raise MlflowException.invalid_parameter_value("not this one")
        return started

    applier = _applier(uri)
    _delivered(applier, range(100, 101))
    with monkeypatch.context() as patch:
        patch.setattr(stores, "start_trace", failing)
        _delivered(applier, range(5))
    assert (applier.done, applier.lost, applier.failed) == (5, 1, 0)
    assert {f"tr-{number:032x}" for number in (0, 1, 3, 4, 100)} <= infos(uri).keys()


def test_a_failure_undoes_all(uri: str) -> None:
    """None of the infos is there, and the next transaction is not affected."""
    store = Store(uri)
    experiment = store.experiment_id("e")

    def fail() -> None:
        raise ConnectionError

    assert not store.together([lambda: store.traces.start_trace(experiment, trace_info(1), None), fail], ForkGate())
    assert infos(uri) == {}
    assert store.together([lambda: store.traces.start_trace(experiment, trace_info(2), None)], ForkGate())
    assert list(infos(uri)) == [f"tr-{2:032x}"]


def test_other_threads_have_sessions_of_their_own(uri: str) -> None:
    """What the program reads meanwhile does not have what is not committed."""
    store = Store(uri)
    experiment = store.experiment_id("e")
    seen: list[dict[str, Any]] = []

    def look() -> None:
        thread = threading.Thread(target=lambda: seen.append(infos(uri)))
        thread.start()
        thread.join(WAIT)

    assert store.together([lambda: store.traces.start_trace(experiment, trace_info(1), None), look], ForkGate())
    assert seen == [{}]
    assert len(infos(uri)) == 1


def test_parameters_of_a_run_in_a_transaction(uri: str) -> None:
    """Which MLflow adds to its session several at once."""
    store = Store(uri)
    experiment = store.experiment_id("e")
    run = store.create_run(experiment, "r", 1, {})
    writes = [
        lambda: store.traces.start_trace(experiment, trace_info(1), None),
        lambda: store.log_run(run.run_id, {"a": "1", "b": "2"}, [], {"t": "v"}),
    ]
    assert store.together(writes, ForkGate())
    assert MlflowClient(uri).get_run(run.run_id).data.params == {"a": "1", "b": "2"}
    assert store.run_tags(run.run_id)["t"] == "v"


def test_parameters_metrics_and_tags_are_one_transaction(uri: str, statements: list[str]) -> None:
    """MLflow has one for each; what it rejects, none of it is there."""
    store = Store(uri)
    run = store.create_run(store.experiment_id("e"), "r", 1, {})
    statements.clear()
    points = [MetricPoint("m", 1.0, 0, 2), MetricPoint("m", 2.0, 1, 3)]
    store.log_run(run.run_id, {"a": "1"}, points, {"t": "v", "mlflow.runName": "other"})
    assert statements.count(COMMIT) == 1
    data: Any = MlflowClient(uri).get_run(run.run_id).data
    assert (data.params, data.metrics, data.tags["t"]) == ({"a": "1"}, {"m": 2.0}, "v")
    assert MlflowClient(uri).get_run(run.run_id).info.run_name == "other"
    with pytest.raises(MlflowException) as raised:
        store.log_run(run.run_id, {"a": "2"}, [MetricPoint("n", 1.0, 0, 2)], {"u": "v"})
    assert raised.value.error_code == "INVALID_PARAMETER_VALUE"
    data = MlflowClient(uri).get_run(run.run_id).data
    assert (data.params, data.metrics, data.tags.get("u")) == ({"a": "1"}, {"m": 2.0}, None)


def test_metrics_that_are_there_already(uri: str) -> None:
    """MLflow undoes its transaction for them: what is new is logged nevertheless."""
    store = Store(uri)
    run = store.create_run(store.experiment_id("e"), "r", 1, {})
    points = [MetricPoint("m", 1.0, 0, 2)]
    for more in ([], [MetricPoint("n", 3.0, 0, 2)]):
        store.log_run(run.run_id, {"a": "1"}, [*points, *more], {"t": "v"})
    data: Any = MlflowClient(uri).get_run(run.run_id).data
    assert (data.params, data.metrics, data.tags["t"]) == ({"a": "1"}, {"m": 1.0, "n": 3.0}, "v")
    assert len(MlflowClient(uri).get_metric_history(run.run_id, "m")) == 1


@pytest.mark.parametrize("writer", [ExclusiveWriter, ConcurrentWriter])
def test_the_end_of_a_run_is_written_with_its_metrics(
    uri: str, statements: list[str], writer: type[ExclusiveWriter | ConcurrentWriter]
) -> None:
    """In one transaction."""
    applier, run = _applier(uri, writer), CompileRun("c")
    applier.apply(EnsureRun(key="r", run=run, name="n", start_ms=1, parent=None, tags={}))
    applier.apply(LogMetrics(key="m", run=run, metrics=(MetricPoint("m", 1.0, 0, 2),)))
    statements.clear()
    applier.apply(EndRun(key="e", run=run, status="FINISHED", end_ms=9))
    assert statements.count(COMMIT) == 1
    assert (applier.done, applier.lost, applier.failed) == (3, 0, 0)
    (found,) = _runs(uri)
    assert (found.info.status, found.info.end_time, found.data.metrics) == ("FINISHED", 9, {"m": 1.0})


def test_the_end_of_a_run_has_the_name_that_it_gets(uri: str, statements: list[str]) -> None:
    """A bridge creates a run by its first span, with a name of its own: the run is updated once, by its end."""
    store, applier, run = Store(uri), _applier(uri, ConcurrentWriter), CompileRun("c")
    store.create_run(store.experiment_id("e"), "compile", 1, {"otel_dspy.run": "compile/c"})
    applier.apply(EnsureRun(key="r", run=run, name="n", start_ms=1, parent=None, tags={"t": "v"}))
    statements.clear()
    applier.apply(EndRun(key="e", run=run, status="FINISHED", end_ms=9))
    assert statements.count(COMMIT) == 1
    assert len([one for one in statements if one.startswith("UPDATE runs")]) == 1
    (found,) = _runs(uri)
    assert (found.info.status, found.info.end_time, found.info.run_name) == ("FINISHED", 9, "n")
    assert (found.data.tags["mlflow.runName"], found.data.tags["t"]) == ("n", "v")


@pytest.mark.parametrize(("writer", "transactions"), [(ExclusiveWriter, 2), (ConcurrentWriter, 1)])
def test_a_bridge_writes_metrics_with_the_end_that_a_later_span_has(
    uri: str, statements: list[str], writer: type[ExclusiveWriter | ConcurrentWriter], transactions: int
) -> None:
    """It acknowledges both once both are written; a program writes metrics at once. What has no end is sent at last."""
    applier, run, other = _applier(uri, writer), CompileRun("c"), CompileRun("d")
    for one in (run, other):
        applier.apply(EnsureRun(key="r", run=one, name="n", start_ms=1, parent=None, tags={}))
    statements.clear()
    applier.apply(LogMetrics(key="m", run=run, metrics=(MetricPoint("m", 1.0, 0, 2),)))
    applier.finish_span()
    applier.apply(EndRun(key="e", run=run, status="FINISHED", end_ms=9))
    applier.finish_span()
    assert statements.count(COMMIT) == transactions
    applier.apply(LogMetrics(key="m", run=other, metrics=(MetricPoint("m", 2.0, 0, 2),)))
    applier.finish_span()
    applier.send_all()
    assert sorted((found.info.status, found.data.metrics["m"]) for found in _runs(uri)) == [
        ("FINISHED", 1.0),
        ("RUNNING", 2.0),
    ]


def test_a_rejected_metric_does_not_keep_a_run_from_its_end(uri: str) -> None:
    """Its transaction is undone, and each part gets one of its own."""
    applier, run = _applier(uri), CompileRun("c")
    applier.apply(EnsureRun(key="r", run=run, name="n", start_ms=1, parent=None, tags={}))
    points = (MetricPoint("good", 1.0, 0, 2), MetricPoint("not: allowed?", 1.0, 0, 2))
    applier.apply(LogMetrics(key="m", run=run, metrics=points))
    applier.apply(EndRun(key="e", run=run, status="FAILED", end_ms=9))
    (found,) = _runs(uri)
    assert (found.info.status, found.data.metrics) == ("FAILED", {"good": 1.0})
    assert (applier.lost, applier.failed) == (1, 0)


def _runs(uri: str) -> list[Any]:
    client: Any = MlflowClient(uri)
    return list(client.search_runs([client.get_experiment_by_name("e").experiment_id]))


def test_a_fork_waits_for_one_write(uri: str) -> None:
    """Between two writes of a transaction the gate is open."""
    store = Store(uri)
    experiment = store.experiment_id("e")
    gate = ForkGate()
    closed: list[bool] = []

    def close() -> None:
        lock = gate.close(0)
        closed.append(lock is not None)
        if lock is not None:
            lock.release()

    def close_elsewhere() -> None:
        thread = threading.Thread(target=close)
        thread.start()
        thread.join(WAIT)

    def writes() -> Iterator[Callable[[], object]]:
        yield lambda: store.traces.start_trace(experiment, trace_info(1), None)
        close_elsewhere()
        yield close_elsewhere

    assert store.together(writes(), gate)
    assert closed == [True, False]
    assert len(infos(uri)) == 1


def test_a_store_without_sessions() -> None:
    """Such as one of a plug-in: the caller writes one by one."""
    assert not one_transaction(object(), [lambda: None], ForkGate())
