"""MLflow on PostgreSQL: transactions end with the first error, processes write at once, columns have a length."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest
from mlflow.exceptions import MlflowException
from mlflow.tracking._tracking_service.utils import _get_store  # pyright: ignore[reportUnknownVariableType]
from sqlalchemy import event

from benchmarks.postgres import postgres
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.tracking.requests.error_classification import UnusableExperimentError
from otel_dspy.mlflow.tracking.store.experiment_connection import Connection
from otel_dspy.mlflow.tracking.store.store import Store
from otel_dspy.runtime.fork_gate import ForkGate
from tests.chaos.pipeline.deployment import needs_database
from tests.support.blank_store import blank_store
from tests.unit.mlflow.tracking.test_whole_traces import applied, applier_of, span, tokens_of, trace_info, traces, whole

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

pytestmark = needs_database


@pytest.fixture(scope="module")
def uri() -> Generator[str]:
    """A store for all tests of this file: MLflow takes seconds to create its tables. Each has traces of its own."""
    with postgres() as database:
        applier_of(database)
        yield database


def store_of(uri: str) -> Any:
    """MLflow's store."""
    return cast("Any", _get_store)(uri)


def names(*numbers: int) -> list[str]:
    """Ids of traces."""
    return [f"tr-{number:032x}" for number in numbers]


def test_new_traces_are_one_transaction(uri: str, tmp_path: Path) -> None:
    """With infos and spans, as a sqlite store has them from one request after the other."""
    applier, commits = applier_of(uri), list[str]()
    engine = store_of(uri).engine

    def committed(_connection: object) -> None:
        commits.append("COMMIT")

    event.listen(engine, "commit", committed)
    applied(applier, [operation for number in range(1, 9) for operation in whole(number)])
    event.remove(engine, "commit", committed)
    assert len(commits) == 1
    other = blank_store(tmp_path)
    one_by_one = applier_of(other)
    for number in range(1, 9):
        applied(one_by_one, whole(number)[3:])
        applied(one_by_one, whole(number)[:3])
    found, wanted = traces(uri), traces(other)
    for trace_id in names(*range(1, 9)):
        assert found[trace_id]["spans"] == wanted[trace_id]["spans"]
        assert found[trace_id]["tags"] == wanted[trace_id]["tags"]
        assert found[trace_id]["trace_metadata"] == wanted[trace_id]["trace_metadata"]
    assert tokens_of(uri, 7) == 20


def test_a_trace_that_another_bridge_has_begun(uri: str) -> None:
    """PostgreSQL refuses its info, and with it the transaction: all are written on their own, with the sums of both."""
    applied(applier_of(uri), [span(12, 4, tokens=10)])
    applied(applier_of(uri), [*whole(11), *whole(12), *whole(13)])
    assert [tokens_of(uri, number) for number in (11, 12, 13)] == [20, 30, 20]


def test_tags_of_traces_that_exist(uri: str) -> None:
    """One that changes, one that stays and one that is new, in a transaction with the infos of others."""
    applier = applier_of(uri)
    applied(applier, whole(21))
    late = span(21, 4)
    late = replace(late, span=replace(late.span, resource={"service.name": "t", "host.name": "h", "os.type": "linux"}))
    applied(applier, [*whole(22), late, *whole(23)])
    tags = traces(uri)[names(21)[0]]["tags"]
    assert (tags["service.name"], tags["host.name"], tags["os.type"]) == ("t", "h", "linux")


def test_a_failure_undoes_all(uri: str) -> None:
    """An error of the database as well as any other one; the next transaction is not affected."""
    store = Store(uri)
    experiment = store.experiment_id("e")

    def fail() -> None:
        raise ConnectionError

    def break_a_rule() -> None:
        store.traces.start_trace(experiment, replace(trace_info(32), tags={"a": "\0"}), None)

    for failure in (fail, break_a_rule):
        writes = [lambda: store.traces.start_trace(experiment, trace_info(31), None), failure]
        assert not store.together(writes, ForkGate())
        with pytest.raises(MlflowException):
            store_of(uri).get_trace_info(names(31)[0])
    assert store.together([lambda: store.traces.start_trace(experiment, trace_info(31), None)], ForkGate())
    assert store_of(uri).get_trace_info(names(31)[0]).state == "OK"


def test_two_bridges_at_the_same_time(uri: str) -> None:
    """Both write the same traces in transactions of their own: one waits for the other, and each trace is there once."""
    numbers = range(41, 61)
    appliers = [applier_of(uri), applier_of(uri)]
    threads = [
        threading.Thread(target=applied, args=(applier, [one for number in numbers for one in whole(number)]))
        for applier in appliers
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [applier.failed + applier.lost for applier in appliers] == [0, 0]
    found = traces(uri)
    assert [len(found[trace_id]["spans"]) for trace_id in names(*numbers)] == [3] * len(numbers)
    assert [tokens_of(uri, number) for number in numbers] == [20] * len(numbers)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("x" * 257, r"value too long for type character varying\(256\)$"),
        ("x" * 501, "exceeds the maximum length of 500 characters$"),
        ("a\0b", "cannot contain NUL"),
        ("a\ud800b", "surrogates not allowed"),
    ],
)
def test_an_experiments_name_that_the_database_does_not_take(uri: str, name: str, reason: str) -> None:
    """The name is the cause, not the tracking URI; the error has neither the statement nor its parameters."""
    with pytest.raises(UnusableExperimentError, match=reason):
        Connection(Destination(uri, Experiment(name=name))).experiment_id()
    longest = "y" * 256
    assert Connection(Destination(uri, Experiment(name=longest))).experiment_id() == Store(uri).experiment_id(longest)
