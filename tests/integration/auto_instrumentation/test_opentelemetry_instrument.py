"""`opentelemetry-instrument python program.py`: no code, only environment variables."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conformance.contract import violations
from tests.docs.code_blocks import covered_blocks, exported
from tests.support.instrumented_process import run_initialized, run_instrumented
from tests.support.otlp_receiver import otlp_receiver

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Generator

    from tests.support.otlp_receiver import OtlpReceiver

PROGRAM = Path(__file__).with_name("program.py")
MAX_BYTES = 20_000
"""Of a request, where batches are split by size."""


def _run(receiver: OtlpReceiver, **environment: str) -> subprocess.CompletedProcess[str]:
    usual = {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
    }
    return run_instrumented(PROGRAM, **{**usual, **environment})


def test_a_program_is_traced_without_a_line_of_code() -> None:
    """Compile, trials, evaluations, examples, modules and LM calls arrive over OTLP, as the contract has them."""
    [variables, *more] = map(exported, covered_blocks("test_a_program_is_traced_without_a_line_of_code"))
    assert more == [variables] * len(more)
    with otlp_receiver() as receiver:
        done = _run(receiver, **variables | {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint})
        assert done.returncode == 0, done.stderr
        assert "answer: 6" in done.stdout
        spans = receiver.spans()
    assert violations(receiver.ended_spans(), opted_in=frozenset()) == []
    kinds = Counter(span.name.split(" ")[0] for span in spans)
    # 4 seeds (-3 to 0), each evaluated on 4 examples; labeled demos once and bootstrapped ones twice, each with
    # labeled ones inside; 4 sums tried for each bootstrap.
    assert (kinds["trial"], kinds["evaluate"], kinds["example"]) == (4, 4 + 2, 16 + 2 * 4)
    assert kinds["compile"] == kinds["setup"] == 1 + 1 + 2 * 2
    assert kinds["chat"] == kinds["module"]
    names = {attribute.key for span in spans for attribute in span.attributes}
    assert {"dspy.trial.score", "dspy.usage.input_tokens", "dspy.optimizer.parameter.max_bootstrapped_demos"} <= names
    # No text leaves unless it is asked for.
    assert not names & {"gen_ai.input.messages", "dspy.module.input", "dspy.program.state", "dspy.dataset.rows"}
    assert all(b"0+1" not in body for body in receiver.bodies)


@pytest.fixture(scope="module")
def split() -> Generator[OtlpReceiver]:
    """What a program has sent with content enabled and its batches split by size."""
    with otlp_receiver() as receiver:
        done = run_initialized(
            PROGRAM,
            OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="SPAN_ONLY",
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint,
            OTEL_TRACES_EXPORTER="otlp_by_size",
            OTEL_DSPY_EXPORT_MAX_BYTES=str(MAX_BYTES),
        )
        assert done.returncode == 0, done.stderr
        yield receiver


def test_content_and_states_are_enabled_by_environment(split: OtlpReceiver) -> None:
    """The standard's content switch lets messages out, and program states and datasets with them."""
    names = {attribute.key for span in split.spans() for attribute in span.attributes}
    assert violations(split.ended_spans()) == []
    assert {"gen_ai.input.messages", "dspy.module.input", "dspy.program.state", "dspy.dataset.rows"} <= names


def test_batches_are_split_by_size_on_demand(split: OtlpReceiver) -> None:
    """`OTEL_TRACES_EXPORTER=otlp_by_size`: no request beyond the limit, and every span once, as without it."""
    assert len(split.traces) > 1
    assert max(map(len, split.traces)) <= MAX_BYTES
    spans = split.spans()
    assert len({span.span_id for span in spans}) == len(spans)
    kinds = Counter(span.name.split(" ")[0] for span in spans)
    assert (kinds["trial"], kinds["evaluate"], kinds["example"]) == (4, 4 + 2, 16 + 2 * 4)


@pytest.mark.parametrize("name", ["otel_dspy"])
def test_it_can_be_switched_off_by_name(name: str) -> None:
    """`OTEL_PYTHON_DISABLED_INSTRUMENTATIONS` names the entry point; then otel-dspy sends nothing."""
    with otlp_receiver() as receiver:
        done = _run(receiver, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=name)
        assert done.returncode == 0, done.stderr
        assert receiver.spans() == []
