"""MLflow's own `/v1/traces`, a real server and no bridge: what it shows of our spans, in both shapes, and what it lacks."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from inline_snapshot import snapshot
from mlflow import MlflowClient

from tests.integration.backends.reference_telemetry import CONVENTIONS, SHAPES, otlp, send_telemetry
from tests.support.mlflow_tree import read_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.integration.backends.reference_telemetry import SentTelemetry
    from tests.support.mlflow_tree import ExperimentTree, SpanNode


@pytest.fixture(scope="module")
def all_seen(server_uri: str) -> dict[str, tuple[SentTelemetry, ExperimentTree]]:
    """What was sent in each way, and all that MLflow holds of it."""
    seen: dict[str, tuple[SentTelemetry, ExperimentTree]] = {}
    for name in (f"{shape}-{conventions}" for shape in SHAPES for conventions in CONVENTIONS):
        experiment = MlflowClient(server_uri).create_experiment(name)
        shape, conventions = name.split("-")
        recorded = send_telemetry(
            name,
            [otlp(server_uri, **{"x-mlflow-experiment-id": experiment})],
            trace_shape=shape,
            capture_content=True,
            extra_conventions=() if conventions == "plain" else conventions,
        )
        seen[name] = (recorded, read_tree(server_uri, name))
    return seen


@pytest.fixture
def seen(
    all_seen: dict[str, tuple[SentTelemetry, ExperimentTree]], shape: str, conventions: str
) -> tuple[SentTelemetry, ExperimentTree]:
    """One of them."""
    return all_seen[f"{shape}-{conventions}"]


def test_every_span_is_there_with_all_attributes_of_otel_dspy(seen: tuple[SentTelemetry, ExperimentTree]) -> None:
    """Names, status and every `dspy.*` and `gen_ai.*` attribute of every span."""
    recorded, tree = seen
    sent = [written(span.name, span.attributes) for span in recorded.spans]
    read = [written(span.name, span.attributes) for trace in tree.traces for span in trace.walk()]
    assert sorted(read) == sorted(sent)


def written(name: str, attributes: Mapping[str, Any] | None) -> str:
    """A span's name and the attributes of our contract; MLflow gives texts that are JSON back as what they say."""
    ours = {key: value for key, value in (attributes or {}).items() if key.startswith(("dspy.", "gen_ai."))}
    return f"{name} {json.dumps({key: _texts(value) for key, value in ours.items()}, sort_keys=True)}"


def _texts(value: object) -> object:
    if isinstance(value, str) and value.startswith(("{", "[")):
        with suppress(ValueError):
            return json.loads(value)
    return value


def test_no_run_is_made(seen: tuple[SentTelemetry, ExperimentTree]) -> None:
    """Traces are all: no runs, and so no parameters, metrics, artifacts, datasets or models; no assessments either."""
    assert seen[1].runs == ()
    assert [trace.assessments for trace in seen[1].traces if trace.assessments] == []


def test_traces(seen: tuple[SentTelemetry, ExperimentTree], shape: str) -> None:
    """`nested` is one trace an optimization, `linked` one more an example; a call of a service is one in both."""
    counted = Counter(trace.spans[0].name for trace in seen[1].traces)
    assert (
        counted
        == {
            "linked": snapshot(
                Counter({"compile BootstrapFewShotWithRandomSearch": 1, "example exact": 8, "module Predict": 3})
            ),
            "nested": snapshot(Counter({"compile BootstrapFewShotWithRandomSearch": 1, "module Predict": 3})),
        }[shape]
    )


def test_the_trace_of_a_call(seen: tuple[SentTelemetry, ExperimentTree], shape: str, conventions: str) -> None:
    """Span types, inputs and outputs, tokens, cost and session of a service's call."""
    trace = next(trace for trace in seen[1].traces if trace.spans[0].name == "module Predict")
    lines = [line for root in trace.spans for line in drawn(root)]
    shown = {name: value for name, value in sorted(trace.metadata.items()) if name in SHOWN}
    assert (
        lines
        == {
            "plain": snapshot(
                [
                    "module Predict: None None -> None",
                    "  chat gpt-4o-mini: CHAT_MODEL [{'role': 'system', 'parts': [{'content': 'Your input fields -> [{'role': 'assistant', 'parts': [{'content': '[[ ## answer #",
                ]
            ),
            "openinference": snapshot(
                [
                    "module Predict: CHAIN {'question': '0+1'} -> {'answer': 'wrong'}",
                    "  chat gpt-4o-mini: LLM '[[ ## question ## ]]\\n0+1\\n\\nRespond with the corresponding -> '[[ ## answer ## ]]\\nwrong\\n\\n[[ ## completed ## ]]\\n'",
                ]
            ),
        }[conventions]
    )
    assert shown == {
        "mlflow.trace.session": f"{shape}-{conventions}-alice",
        "mlflow.trace.tokenUsage": snapshot('{"input_tokens": 95, "output_tokens": 11, "total_tokens": 106}'),
        # MLflow reckons by the model that has answered, whose name is in no price list; with OpenInference's words by
        # the one that was asked for.
        **(
            {
                "mlflow.trace.cost": snapshot(
                    '{"input_cost": 1.4249999999999999e-05, "output_cost": 6.5999999999999995e-06, "total_cost": 2.085e-05}'
                )
            }
            if conventions == "openinference"
            else {}
        ),
    }


SHOWN = {"mlflow.trace.tokenUsage", "mlflow.trace.cost", "mlflow.trace.session", "mlflow.sourceRun"}


def drawn(span: SpanNode, indent: str = "") -> Iterator[str]:
    """A span and those below: name, type, inputs and outputs as MLflow's page shows them."""
    texts = [repr(value)[:60] for value in (span.inputs, span.outputs)]
    yield f"{indent}{span.name}: {span.type} {texts[0]} -> {texts[1]}"
    for child in span.children:
        yield from drawn(child, indent + "  ")
