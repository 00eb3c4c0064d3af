"""A compile with more spans than the SDK's batch processor holds, set up as `opentelemetry-instrument` does it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.support.instrumented_process import run_initialized
from tests.support.otlp_receiver import otlp_receiver

PROGRAM = Path(__file__).with_name("many_spans.py")


@pytest.mark.slow
def test_no_trial_of_fifty_thousand_spans_is_lost() -> None:
    """25 trials of 667 examples, three spans each, to a receiver that takes half a second a request: all trials arrive.

    Examples and calls are dropped, as the SDK reports on standard error.
    """
    assert_all_trials(rounds=25, size=667, pause=0.5)


def test_no_trial_is_lost_to_a_small_queue() -> None:
    """The same with 5 trials of 60 examples and a queue of 32 spans."""
    assert_all_trials(rounds=5, size=60, pause=0.5, OTEL_BSP_MAX_QUEUE_SIZE="32", OTEL_BSP_MAX_EXPORT_BATCH_SIZE="16")


def assert_all_trials(*, rounds: int, size: int, pause: float, **variables: str) -> None:
    """The compile, its setup and dataset, every trial and every evaluation arrive, and not all of the rest."""
    with otlp_receiver(pause=pause) as receiver:
        done = run_initialized(
            PROGRAM, str(rounds), str(size), OTEL_TRACES_EXPORTER="otlp",
            OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint, **variables,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        kinds = Counter(span.name.split(" ")[0] for span in receiver.spans())
    assert {kind: kinds[kind] for kind in ("compile", "setup", "trial", "evaluate")} == {
        "compile": 1,
        "setup": 1,
        "trial": rounds,
        "evaluate": rounds,
    }
    assert kinds["chat"] < rounds * size
    assert "Queue full" in done.stderr
