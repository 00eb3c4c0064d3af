"""Fuzz tests of the bridge: no exception, no hang, and valid spans are kept. See `run.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.chaos.fuzzing.corpus import NAMES
from tests.chaos.fuzzing.run import in_process, real_requests
from tests.chaos.fuzzing.wire import send_all

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

HANG = 120.0
"""Seconds after which a request counts as one that never ends."""


@pytest.fixture(scope="module")
def real() -> Sequence[ExportTraceServiceRequest]:
    """Requests of real optimizations."""
    return real_requests()


def test_the_corpus_has_what_the_bridge_reads(real: Sequence[ExportTraceServiceRequest]) -> None:
    """Every kind of span is in it, pieces of a large text too, and most of the contract's attributes."""
    spans = [
        span for request in real for group in request.resource_spans for s in group.scope_spans for span in s.spans
    ]
    names = {entry.key for span in spans for entry in span.attributes}
    kinds = {
        entry.value.string_value for span in spans for entry in span.attributes if entry.key == "dspy.operation.name"
    }
    assert kinds >= {"setup", "compile", "trial", "evaluate", "example", "dataset", "phase", "payload", "module"}
    assert len(names.intersection(NAMES)) > 60


@pytest.mark.parametrize(
    ("count", "seed"), [(4_000, 1), pytest.param(1_000_000, 2, marks=[pytest.mark.slow, pytest.mark.timeout(14_400)])]
)
def test_in_process(real: Sequence[ExportTraceServiceRequest], count: int, seed: int) -> None:
    """Up to MLflow's door: every request is taken, malformed or too large; memory stays where it was."""
    found = in_process(real, count, seed, HANG)
    assert found["faults"] == []
    _is_varied(found["verdicts"])
    assert max(found["MiB"]) - found["MiB"][len(found["MiB"]) // 10] < 200


@pytest.mark.parametrize("count", [20, pytest.param(5_000, marks=[pytest.mark.slow, pytest.mark.timeout(7_200)])])
def test_over_the_wire(real: Sequence[ExportTraceServiceRequest], count: int) -> None:
    """A bridge answers all of them as OTLP has it, and MLflow has the good spans of those that it took."""
    found = send_all(real, count, 3, 3_600, forked=True)
    assert found["faults"] == []
    assert found["requests"] == count
    assert {name.split()[0] for name in found["verdicts"]} == {"HTTP", "gRPC"}
    # A span of the corpus counts once, however often it is sent.
    assert found["good spans kept"] > min(count / 5, len(real) * 0.8)


def _is_varied(verdicts: dict[str, Any]) -> None:
    """A fuzzer whose requests all end alike tests little."""
    assert min(verdicts.get(name, 0) for name in ("taken", "partly taken", "malformed")) > sum(verdicts.values()) / 20
