"""Sums of a trace: tokens and costs of all its calls, in any number of requests."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any, Final

import dspy
import mlflow
import pytest
from mlflow import MlflowClient
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_dspy import DSPyInstrumentor
from otel_dspy.cli import main
from otel_dspy.environment.variable_names import SPOOL_DIR
from otel_dspy.mlflow import MlflowSpanProcessor
from otel_dspy.mlflow.tracking.traces import trace_batches
from tests.integration.mlflow.conftest import DELIVERY
from tests.support.addition_task import exact, examples, half_right
from tests.support.bridges import exporter, running_bridge
from tests.support.dspy_answers import dspy_script
from tests.support.lm_server import Reply, scripted_lm

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from opentelemetry.sdk.trace import SpanProcessor

    from tests.integration.mlflow.conftest import CallContext
    from tests.support.lm_server import LMServer, Message

THREE_CALLS: Final = {
    "mlflow.trace.tokenUsage": {"input_tokens": 30, "output_tokens": 15, "total_tokens": 45},
    "mlflow.trace.cost": {"input_cost": 0.0, "output_cost": 0.0, "total_cost": 0.003},
}
PRICE: Final = 0.0000045
"""US dollars of one call: 10 input tokens at 0.15 dollars a million, 5 output tokens at 0.60."""
AWAY: Final = "http://127.0.0.1:9"
"""Nothing listens there."""


def _only_trace(place: CallContext) -> dict[str, Any]:
    (trace,) = place.read().traces
    return {name: json.loads(text) for name, text in trace.metadata.items() if name in THREE_CALLS}


def test_a_call_that_takes_long(place: CallContext) -> None:
    """Three calls of the model, the first two exported before the third has ended: the trace has the tokens of three."""
    emitter = place.emitter()
    with emitter.span("module P", "module"):
        for _ in range(2):
            emitter.chat("1+1?", "2")
            assert place.processors[0].force_flush(DELIVERY)
        emitter.chat("1+1?", "2")
    assert _only_trace(place) == THREE_CALLS


def test_more_spans_than_a_request_takes(place: CallContext, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three calls in three requests, after the trace's info: the trace has the tokens of three."""
    monkeypatch.setattr(trace_batches, "MAX_SPANS", 1)
    emitter = place.emitter()
    with emitter.span("module P", "module"):
        for _ in range(3):
            emitter.chat("1+1?", "2")
    assert _only_trace(place) == THREE_CALLS


def _optimize(processor: SpanProcessor, shape: str, *, deliver: bool = True) -> None:
    """COPRO on two examples: 3 calls for proposals and 8 of the program, delivered a few calls at a time."""
    answered = 0

    script = dspy_script({"answer": half_right})

    def answer(messages: Sequence[Message]) -> Reply:
        nonlocal answered
        answered += 1
        if deliver and answered % 3 == 0:
            assert processor.force_flush(DELIVERY)
        return Reply(script(messages), input_tokens=10, output_tokens=5)

    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    DSPyInstrumentor().instrument(tracer_provider=provider, trace_shape=shape, capture_programs=True)
    try:
        optimizer: Any = dspy.COPRO(metric=exact, breadth=2, depth=2)
        evaluation = {"num_threads": 1, "display_progress": False, "display_table": 0}
        with scripted_lm(answer) as server, dspy.context(lm=_model(server)):
            optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(2), eval_kwargs=evaluation)
    finally:
        DSPyInstrumentor().uninstrument()


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the spool, empty."""
    monkeypatch.setenv(SPOOL_DIR, str(tmp_path))
    return tmp_path


def _model(server: LMServer) -> dspy.LM:
    """A model that has a price."""
    return dspy.LM("openai/gpt-4o-mini", api_base=server.api_base, api_key="none", cache=False, num_retries=0)


def _in_process(uri: str, experiment: str, shape: str, folder: Path) -> None:
    del folder
    processor = MlflowSpanProcessor(tracking_uri=uri, experiment=experiment)
    _optimize(processor, shape)
    processor.shutdown()


def _by_bridge(uri: str, experiment: str, shape: str, folder: Path) -> None:
    del folder
    with running_bridge(uri, experiment) as bridge:
        processor = BatchSpanProcessor(exporter(bridge, "http"))
        _optimize(processor, shape)
        processor.shutdown()


def _by_replay(uri: str, experiment: str, shape: str, folder: Path) -> None:
    processor = MlflowSpanProcessor(tracking_uri=AWAY, experiment=experiment)
    _optimize(processor, shape, deliver=False)
    processor.shutdown(wait=False)
    for _ in range(2):
        assert main(["replay", "--keep", str(folder), "--tracking-uri", uri]) == 0


def _sums(uri: str, experiment: str) -> dict[str, tuple[int, dict[str, int], float]]:
    """Traces by kind: how many there are, and their tokens and costs added up."""
    client: Any = MlflowClient(uri)
    mlflow.set_tracking_uri(uri)
    sums: dict[str, tuple[int, dict[str, int], float]] = {}
    for listed in client.search_traces(
        locations=[client.get_experiment_by_name(experiment).experiment_id], include_spans=False, max_results=100
    ):
        read: Any = mlflow.get_trace(listed.info.trace_id)
        assert (read.info.token_usage, read.info.cost) == (listed.info.token_usage, listed.info.cost)
        kind = "example" if " example " in listed.info.tags["mlflow.traceName"] else "compile"
        count, tokens, cost = sums.get(kind, (0, {}, 0.0))
        usage: dict[str, int] = read.info.token_usage or {}
        for name, value in usage.items():
            tokens[name] = tokens.get(name, 0) + value
        sums[kind] = (count + 1, tokens, cost + (read.info.cost or {"total_cost": 0.0})["total_cost"])
    return sums


def _everything(uri: str, experiment: str) -> tuple[dict[str, float], dict[str, float]]:
    """Tokens of the whole optimization: the metrics of its run, and the output of its trace."""
    client: Any = MlflowClient(uri)
    place = client.get_experiment_by_name(experiment).experiment_id
    (run,) = (run for run in client.search_runs([place]) if "mlflow.parentRunId" not in run.data.tags)
    (trace,) = (
        trace
        for trace in client.search_traces(locations=[place], include_spans=False, max_results=100)
        if " example " not in trace.info.tags["mlflow.traceName"]
    )
    output = json.loads(trace.info.response_preview)["usage_in_all_traces"]
    names = ("input_tokens", "output_tokens")
    return {name: run.data.metrics[f"usage/{name}"] for name in names}, {name: output[name] for name in names}


# COPRO's proposals are in the compile's trace, each example is a trace of its own.
_LINKED: Final = ("linked", {"compile": (1, 3), "example": (8, 8)})
_NESTED: Final = ("nested", {"compile": (1, 11)})


@pytest.mark.parametrize(
    ("deliver", "traces", "kind"),
    [
        (_in_process, _LINKED, "server"),
        (_in_process, _NESTED, "sqlite"),
        (_by_bridge, _LINKED, "sqlite"),
        (_by_replay, _LINKED, "server"),
        # The shape in process, the way with linked traces, and what a server is sent in process and replayed: see above.
        pytest.param(_in_process, _NESTED, "server", marks=pytest.mark.slow),
        pytest.param(_by_bridge, _LINKED, "server", marks=pytest.mark.slow),
        pytest.param(_by_bridge, _NESTED, "server", marks=pytest.mark.slow),
        pytest.param(_by_replay, _NESTED, "server", marks=pytest.mark.slow),
    ],
)
def test_a_compile(
    deliver: Callable[[str, str, str, Path], None],
    traces: tuple[str, dict[str, tuple[int, int]]],
    kind: str,
    request: pytest.FixtureRequest,
    spool: Path,
) -> None:
    """A trace has the tokens and costs of the calls in it, the run those of all: in process, through a bridge, replayed."""
    shape, calls = traces
    uri: str = request.getfixturevalue("server_uri" if kind == "server" else "database")
    experiment = f"sums-{uuid.uuid4().hex[:8]}"
    deliver(uri, experiment, shape, spool)
    assert _sums(uri, experiment) == {
        name: (
            count,
            {
                "input_tokens": 10 * called,
                "output_tokens": 5 * called,
                "total_tokens": 15 * called,
            },
            pytest.approx(PRICE * called),
        )
        for name, (count, called) in calls.items()
    }
    assert _everything(uri, experiment) == ({"input_tokens": 110, "output_tokens": 55},) * 2


def test_a_replay_of_many_traces(server_uri: str, spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traces that are corrected while the replay continues: each has the tokens of its calls."""
    monkeypatch.setattr(trace_batches, "MAX_WRITTEN", 3)
    monkeypatch.setattr(trace_batches, "MAX_SPANS", 2)
    experiment = f"sums-{uuid.uuid4().hex[:8]}"
    _by_replay(server_uri, experiment, "linked", spool)
    tokens = {kind: (count, found["total_tokens"]) for kind, (count, found, _) in _sums(server_uri, experiment).items()}
    assert tokens == {"compile": (1, 45), "example": (8, 120)}
