"""Each configuration of collector/, read by a real Collector and started with an optimization through it."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import dspy
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_dspy import cli
from otel_dspy import semconv as sc
from otel_dspy.mlflow import MlflowSpanProcessor
from tests.chaos.twins import differences, optimize, record, traces_in
from tests.integration.bridge.test_same_tree import comparable, instrumented_by
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.bridges import running_bridge
from tests.support.collectors import FOLDER, needs_collector, running_collector
from tests.support.otlp_receiver import otlp_receiver

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

    from otel_dspy.bridge.service import Bridge

pytestmark = needs_collector

DELIVERY = 120.0
"""Seconds that a delivery may take on a loaded machine."""
EXPERIMENT = "collected"
SEVERAL = 20
"""Small compiles, of which each goes to one of two bridges by its id, which is random: not all of them to the same."""
DECIDED = "otelcol_processor_tail_sampling_global_count_traces_sampled"
"""The sampler's metric: on how many traces it has decided."""


def emit(endpoint: str, reference: str, work: Callable[[], object]) -> Sequence[ReadableSpan]:
    """Do something, exported to a Collector as programs do and to a local store in process; return all exported spans."""
    kept = InMemorySpanExporter()
    in_process = MlflowSpanProcessor(tracking_uri=reference, experiment=EXPERIMENT)
    by_otlp = BatchSpanProcessor(OTLPSpanExporter(f"http://{endpoint}", timeout=DELIVERY), schedule_delay_millis=200)
    instrumented_by([in_process, by_otlp, SimpleSpanProcessor(kept)], "linked", work)
    for processor in (by_otlp, in_process):
        assert processor.force_flush(int(DELIVERY * 1000))
        processor.shutdown()
    return kept.get_finished_spans()


def taken(bridge: Bridge) -> set[tuple[str, str]]:
    """(trace id, span id) of each span that a bridge has written."""
    return bridge.writer.delivered


def ids(spans: Sequence[ReadableSpan]) -> set[tuple[str, str]]:
    """The same of exported spans."""
    return {(f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}") for span in spans if span.context}


def compile_of(span: ReadableSpan) -> str | None:
    """Which compile a span names."""
    found = (span.attributes or {}).get(sc.DSPY_COMPILE_ID)
    return found if isinstance(found, str) else None


def compile_of_run(run: dict[str, Any]) -> str:
    """Which compile a run of a record is of."""
    return run["tags"][sc.DSPY_COMPILE_ID]


def optimize_several(more: int) -> None:
    """A search with its nested compiles, and some small compiles."""
    optimize(trials=1)
    for _ in range(more):
        dspy.LabeledFewShot(k=1).compile(dspy.Predict("question -> answer"), trainset=examples(2))


def await_that(found: Callable[[], bool], what: str) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + DELIVERY
    while not found():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def test_agent_and_gateway_change_nothing(new_store: Callable[[str], str], tmp_path: Path) -> None:
    """By agent.yaml and gateway.yaml: MLflow holds what it holds of a processor, the other backend each span once."""
    store, reference = new_store("collected"), new_store("reference")
    with (
        otlp_receiver() as other,
        running_bridge(store, EXPERIMENT, patience=8) as bridge,
        running_collector(
            FOLDER / "gateway.yaml",
            tmp_path / "gateway",
            {"BRIDGE_ENDPOINT": f"127.0.0.1:{bridge.grpc_port}", "OTHER_ENDPOINT": other.endpoint},
        ) as gateway,
        running_collector(FOLDER / "agent.yaml", tmp_path / "agent", {"GATEWAY_ENDPOINT": gateway.grpc}) as agent,
    ):
        recorded = ids(emit(agent.grpc, reference, lambda: optimize(trials=1)))
        await_that(lambda: taken(bridge) == recorded, "all at the bridge")
        await_that(lambda: len(other.spans()) >= len(recorded), "all at the other backend")
        assert Counter((span.trace_id.hex(), span.span_id.hex()) for span in other.spans()) == Counter(recorded)
    assert differences(comparable(record(store, EXPERIMENT)), comparable(record(reference, EXPERIMENT))) == []


def test_a_compile_goes_to_one_bridge(new_store: Callable[[str], str], tmp_path: Path) -> None:
    """By loadbalanced.yaml: all that names a compile is at one bridge, none at both, both have work, MLflow is whole."""
    store, reference = new_store("collected"), new_store("reference")
    with (
        running_bridge(store, EXPERIMENT, patience=8) as first,
        running_bridge(store, EXPERIMENT, patience=8) as second,
        running_collector(
            FOLDER / "loadbalanced.yaml",
            tmp_path / "collector",
            {
                "BRIDGE_1_ENDPOINT": f"127.0.0.1:{first.grpc_port}",
                "BRIDGE_2_ENDPOINT": f"127.0.0.1:{second.grpc_port}",
            },
        ) as collector,
    ):
        spans = emit(collector.grpc, reference, lambda: optimize_several(SEVERAL))
        await_that(lambda: taken(first) | taken(second) == ids(spans), "all at the bridges")
        assert not taken(first) & taken(second)
        assert taken(first)
        assert taken(second)
        compiles = {compile_of(span) for span in spans} - {None}
        assert len(compiles) > SEVERAL
        for compile_id in compiles:
            group = ids([span for span in spans if compile_of(span) == compile_id])
            assert group <= taken(first) or group <= taken(second)
    found, expected = comparable(record(store, EXPERIMENT)), comparable(record(reference, EXPERIMENT))
    for recorded in (found, expected):
        # A run starts with the first span of it that arrives, which depends on the bridges.
        recorded["runs"].sort(key=compile_of_run)
    assert differences(found, expected) == []


def test_one_example_in_ten_and_all_else(new_store: Callable[[str], str], tmp_path: Path) -> None:
    """By sampling.yaml: of 240 examples about a tenth, each whole; runs, metrics, tables and plain calls are all there."""
    store, reference = new_store("collected"), new_store("reference")

    def work() -> None:
        optimize(trials=2)
        with dspy.context(lm=addition_lm()):
            dspy.Evaluate(devset=examples(220), metric=exact, num_threads=2)(dspy.Predict("question -> answer"))
            dspy.Predict("question -> answer")(question="1+1")

    def without_traces(run: dict[str, Any]) -> dict[str, Any]:
        """A run without the traces of examples."""
        others = [trace for trace in run["traces"] if trace["id"].removeprefix("tr-") not in thinned]
        return {**run, "traces": others, "children": [without_traces(child) for child in run["children"]]}

    with (
        running_bridge(store, EXPERIMENT, patience=8) as bridge,
        running_collector(
            FOLDER / "sampling.yaml", tmp_path / "collector", {"BRIDGE_ENDPOINT": f"127.0.0.1:{bridge.grpc_port}"}
        ) as collector,
    ):
        spans = emit(collector.grpc, reference, work)
        roots = [span for span in spans if (span.attributes or {}).get(sc.DSPY_OPERATION_NAME) == "example"]
        thinned = {f"{span.context.trace_id:032x}" for span in roots if span.context}
        every = {one[0] for one in ids(spans)}
        await_that(lambda: collector.count(DECIDED) == len(every), "a decision on each trace")
        chosen = collector.count(DECIDED, 'sampled="true"')

        def is_whole() -> bool:
            """Whether the traces that the sampler has chosen are there, with all their spans: nothing comes any more."""
            there = taken(bridge)
            traces = {one[0] for one in there}
            return len(traces) == chosen and there == {one for one in ids(spans) if one[0] in traces}

        await_that(is_whole, "the chosen traces")
        arrived = taken(bridge)
    kept = thinned & {one[0] for one in arrived}
    assert len(thinned) >= 230
    assert 5 <= len(kept) <= 60
    assert arrived == {one for one in ids(spans) if one[0] in kept or one[0] not in thinned}
    found, expected = comparable(record(store, EXPERIMENT)), comparable(record(reference, EXPERIMENT))
    assert sum(traces_in(run) for run in expected["runs"]) - sum(traces_in(run) for run in found["runs"]) == len(
        thinned
    ) - len(kept)
    assert (
        differences(
            {"runs": [without_traces(run) for run in found["runs"]], "traces": found["traces"]},
            {"runs": [without_traces(run) for run in expected["runs"]], "traces": expected["traces"]},
        )
        == []
    )


@pytest.mark.parametrize("off", ["http", "grpc"])
def test_the_printed_configuration_works(
    off: str,
    new_store: Callable[[str], str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What `otel-dspy bridge --print-collector-config` prints, for a bridge with a token, by gRPC and by HTTP."""
    store, reference = new_store("collected"), new_store("reference")
    monkeypatch.setenv("OTEL_DSPY_BRIDGE_TOKEN", "geheim")
    with running_bridge(store, EXPERIMENT, patience=8, token="geheim") as bridge:  # noqa: S106 - of the test's own bridge
        ports = {"http": bridge.http_port, "grpc": bridge.grpc_port}
        listening = [f"--{name}={'off' if name == off else f'127.0.0.1:{port}'}" for name, port in ports.items()]
        capsys.readouterr()
        assert cli.main(["bridge", "--tracking-uri", store, "--print-collector-config", *listening]) == 0
        config = tmp_path / "printed.yaml"
        config.write_text(capsys.readouterr().out, encoding="utf-8")
        # Its addresses are for one on a machine; several may run tests here.
        elsewhere = [
            "yaml:receivers::otlp::protocols::grpc::endpoint: ${env:OTELCOL_GRPC}",
            "yaml:receivers::otlp::protocols::http::endpoint: ${env:OTELCOL_HTTP}",
            "yaml:extensions::health_check::endpoint: ${env:OTELCOL_HEALTH}",
            "yaml:service::telemetry::metrics::level: none",
        ]
        with running_collector(config, tmp_path / "collector", {}, elsewhere) as collector:
            recorded = ids(emit(collector.grpc, reference, lambda: optimize(trials=1)))
            await_that(lambda: taken(bridge) == recorded, "all at the bridge")
    assert differences(comparable(record(store, EXPERIMENT)), comparable(record(reference, EXPERIMENT))) == []
