"""One optimization recorded in process, and over OTLP by a bridge or MLflow's server: the result is the same."""

from __future__ import annotations

import math
import uuid
from pprint import pformat
from typing import TYPE_CHECKING, Any

import dspy
import pytest
from mlflow import MlflowClient
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_dspy.mlflow import MlflowSpanProcessor
from tests.chaos.twins import differences, optimize, record
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.bridges import exporter, running_bridge
from tests.support.instrumented_dspy import instrumented
from tests.support.mlflow_server_app_exporters import app_exporter
from tests.support.optimizers import Rounds

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.export import SpanExporter

    from tests.support.mlflow_server import MlflowServer

DELIVERY = 240_000
"""Milliseconds that a delivery may take on a loaded machine."""
OWN_TAGS = {"otel_dspy.initial_program", "otel_dspy.host", "otel_dspy.processes"}
"""A bridge notes on a run which tables it has written, since another may go on; a program notes what its process is."""


# What a bridge sends to a server does not depend on the protocol by which spans reach it.
@pytest.mark.parametrize(
    ("protocol", "shape", "kind"),
    [
        ("http", "linked", "sqlite"),
        ("grpc", "nested", "server"),
        pytest.param("http", "linked", "server", marks=pytest.mark.slow),
    ],
)
def test_the_bridge_writes_what_the_processor_writes(
    protocol: str, shape: str, kind: str, request: pytest.FixtureRequest, new_store: Callable[[str], str]
) -> None:
    """Runs, parameters, metrics with steps, tags, artifacts, models, traces and scores: no difference.

    Its exporter is OpenTelemetry's own, in small batches, so that children, parents and payloads come apart.
    """
    experiment = f"same-{uuid.uuid4().hex[:8]}"
    store = new_store("in-process")
    uri: str = request.getfixturevalue("server_uri") if kind == "server" else new_store("by-bridge")
    with running_bridge(uri, experiment) as bridge:
        recorded_by(store, experiment, exporter(bridge, protocol), shape)
        assert bridge.writer.pipeline.lost == 0
    assert differences(comparable(record(uri, experiment)), comparable(record(store, experiment))) == []


@pytest.mark.parametrize("shape", ["linked", pytest.param("nested", marks=pytest.mark.slow)])
def test_the_server_app_writes_what_the_processor_writes(
    shape: str, app_server: MlflowServer, new_store: Callable[[str], str]
) -> None:
    """`mlflow server --app-name otel-dspy` with two workers: no difference either, from a plain OTLP exporter."""
    experiment = f"same-{uuid.uuid4().hex[:8]}"
    store = new_store("in-process")
    experiment_id = MlflowClient(app_server.uri).create_experiment(experiment)
    recorded_by(store, experiment, app_exporter(app_server, experiment_id), shape)
    assert differences(comparable(record(app_server.uri, experiment)), comparable(record(store, experiment))) == []


def recorded_by(store: str, experiment: str, exporter: SpanExporter, shape: str) -> None:
    """Record one optimization in process in a store, and through an OTLP exporter."""
    in_process = MlflowSpanProcessor(tracking_uri=store, experiment=experiment)
    by_otlp = BatchSpanProcessor(exporter, schedule_delay_millis=200, max_export_batch_size=16)
    instrumented_by([in_process, by_otlp], shape, lambda: optimize(trials=2))
    assert by_otlp.force_flush(DELIVERY)
    assert in_process.force_flush(DELIVERY)
    in_process.shutdown()
    by_otlp.shutdown()


def test_scores_that_are_no_plain_numbers(server_uri: str, new_store: Callable[[str], str]) -> None:
    """NaN, infinity, errors and objectives: no difference either."""
    experiment = f"scores-{uuid.uuid4().hex[:8]}"
    store = new_store("in-process")

    def odd(gold: Any, pred: Any, trace: object = None) -> Any:
        if gold["question"] == "0+1":
            raise ValueError("no verdict")
        score = {"1+1": math.nan, "2+1": math.inf}.get(gold["question"], float(exact(gold, pred, trace)))
        return dspy.Prediction(score=score, objective_scores={"odd": score, "even": 0.5})

    def work() -> None:
        with dspy.context(lm=addition_lm()):
            Rounds(odd).compile(dspy.Predict("question -> answer"), trainset=examples(4))
            dspy.Evaluate(devset=examples(1), metric=odd, num_threads=1)(dspy.Predict("question -> answer"))

    with running_bridge(server_uri, experiment) as bridge:
        in_process = MlflowSpanProcessor(tracking_uri=store, experiment=experiment)
        by_otlp = BatchSpanProcessor(exporter(bridge, "http"), schedule_delay_millis=200, max_export_batch_size=16)
        instrumented_by([in_process, by_otlp], "linked", work)
        assert by_otlp.force_flush(DELIVERY)
        assert in_process.force_flush(DELIVERY)
        in_process.shutdown()
        by_otlp.shutdown()
        assert bridge.writer.pipeline.lost == 0
    # As texts, because NaN is not equal to itself. Keys are sorted: MLflow 3.7 returns attributes in another order.
    sent, recorded = (pformat(comparable(record(uri, experiment)), width=200) for uri in (server_uri, store))
    assert sent == recorded
    assert all(text in sent for text in ("nan", "no verdict", "score/objective/odd", "score/errors"))


def instrumented_by(processors: list[SpanProcessor], shape: str, work: Callable[[], object]) -> None:
    """Do something while these are exported to."""
    with instrumented(*processors, trace_shape=shape):
        work()


def comparable(recorded: dict[str, Any]) -> dict[str, Any]:
    """A record without `OWN_TAGS`, its runs by what they are.

    A run starts with the first span of it that arrives, whichever that is, and two compiles may begin in one millisecond.
    """

    def key(run: dict[str, Any]) -> tuple[int, str, str]:
        return (int(run["tags"].get("dspy.trial.index", -1)), run["name"], str(run["tags"].get("dspy.compile.id")))

    def cleaned(run: dict[str, Any]) -> dict[str, Any]:
        tags = {
            name: value
            for name, value in run["tags"].items()
            if name not in OWN_TAGS and not name.startswith("otel_dspy.table.")
        }
        children = [cleaned(child) for child in sorted(run["children"], key=key)]
        return {**run, "tags": tags, "children": children}

    return {
        "runs": [cleaned(run) for run in sorted(recorded["runs"], key=key)],
        "traces": recorded["traces"],
    }
