"""`opentelemetry-instrument python program.py`: no code, only environment variables."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conformance.contract import violations
from tests.otlp_receiver import otlp_receiver

if TYPE_CHECKING:
    from tests.otlp_receiver import OtlpReceiver

ROOT = Path(__file__).parents[3]
PROGRAM = Path(__file__).with_name("program.py")
TIMEOUT = 120
"""Seconds; a cold import of DSPy takes several on a loaded machine."""


def _run(receiver: OtlpReceiver, **environment: str) -> subprocess.CompletedProcess[str]:
    instrument = Path(sys.executable).with_name("opentelemetry-instrument")
    return subprocess.run(
        [instrument, sys.executable, PROGRAM],
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_METRICS_EXPORTER": "otlp",
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint,
            "OTEL_SERVICE_NAME": "sums",
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )


def test_a_program_is_traced_without_a_line_of_code() -> None:
    """Compile, trials, evaluations, examples, modules and LM calls arrive over OTLP, as the contract has them."""
    with otlp_receiver() as receiver:
        done = _run(receiver)
        assert done.returncode == 0, done.stderr
        assert "answer: 6" in done.stdout
        spans = receiver.spans()
    assert violations(receiver.ended_spans(), opted_in=frozenset()) == []
    kinds = Counter(span.name.split(" ")[0] for span in spans)
    # 4 seeds (-3 to 0), each evaluated on 4 examples; labelled demos once and bootstrapped ones twice, each with
    # labelled ones inside; 4 sums tried for each bootstrap.
    assert (kinds["trial"], kinds["evaluate"], kinds["example"]) == (4, 4 + 2, 16 + 2 * 4)
    assert kinds["compile"] == kinds["setup"] == 1 + 1 + 2 * 2
    assert kinds["chat"] == kinds["module"]
    names = {attribute.key for span in spans for attribute in span.attributes}
    assert {"dspy.trial.score", "dspy.usage.input_tokens", "dspy.optimizer.parameter.max_bootstrapped_demos"} <= names
    # No text leaves unless it is asked for.
    assert not names & {"gen_ai.input.messages", "dspy.module.input", "dspy.program.state", "dspy.dataset.rows"}
    assert all(b"0+1" not in body for body in receiver.bodies)


def test_content_and_states_are_asked_for_by_environment() -> None:
    """The standard's content switch lets messages out, and program states and datasets with them."""
    with otlp_receiver() as receiver:
        done = _run(receiver, OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT="SPAN_ONLY")
        assert done.returncode == 0, done.stderr
        names = {attribute.key for span in receiver.spans() for attribute in span.attributes}
    assert violations(receiver.ended_spans()) == []
    assert {"gen_ai.input.messages", "dspy.module.input", "dspy.program.state", "dspy.dataset.rows"} <= names


@pytest.mark.parametrize("name", ["otel_dspy"])
def test_it_can_be_switched_off_by_name(name: str) -> None:
    """`OTEL_PYTHON_DISABLED_INSTRUMENTATIONS` names the entry point; then nothing of ours is sent."""
    with otlp_receiver() as receiver:
        done = _run(receiver, OTEL_PYTHON_DISABLED_INSTRUMENTATIONS=name)
        assert done.returncode == 0, done.stderr
        assert receiver.spans() == []
