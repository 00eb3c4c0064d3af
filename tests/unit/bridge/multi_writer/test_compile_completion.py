"""An ended compile is completed from its spans in MLflow."""

from __future__ import annotations

import json
from itertools import permutations
from typing import TYPE_CHECKING, Any, cast

import pytest

from otel_dspy.bridge.multi_writer.compile_completion import complete
from otel_dspy.mlflow.mapping.operations import LogReport, LogText
from tests.support.mapped_spans import CID, IDENTITY, span

if TYPE_CHECKING:
    from otel_dspy.mlflow.mapping.operations import Operation
    from otel_dspy.mlflow.mapping.run_keys import RunKey
    from otel_dspy.mlflow.records.span import SpanRecord

SETUP = span("setup", IDENTITY, span_id="s")
TRIALS = [
    span("trial", {"dspy.compile.id": CID, "dspy.trial.index": number}, span_id=f"t{number}") for number in (0, 1)
]
END = span("compile", {**IDENTITY, "dspy.compile.best_trial.index": 0}, span_id="c")


class Stored:
    """A writer that finds these spans and no artifacts."""

    def __init__(self, spans: list[SpanRecord]) -> None:
        self._spans = spans

    def stored_spans(self, _trace_id: str) -> list[SpanRecord]:
        """The spans of the trace."""
        return self._spans

    def artifact_names(self, _run: RunKey) -> set[str]:
        """Names of the run's artifacts."""
        return set()


class Applied:
    """Keeps what is applied."""

    def __init__(self) -> None:
        self.operations: list[Operation] = []

    def apply(self, operation: Operation) -> None:
        """Keep it."""
        self.operations.append(operation)

    def send_all(self) -> None:
        """Nothing waits."""


def _completed(spans: list[SpanRecord]) -> list[Operation]:
    applied = Applied()
    complete(cast("Any", applied), cast("Any", Stored(spans)), CID, END.trace_id)
    return applied.operations


@pytest.mark.parametrize(
    "spans", list(permutations([SETUP, *TRIALS, END])), ids=lambda spans: "-".join(one.span_id for one in spans)
)
def test_the_summary_has_all_trials_in_any_order(spans: tuple[SpanRecord, ...]) -> None:
    """It is that of the last span that has one: spans may come after the compile's end."""
    operations = _completed(list(spans))
    (summary,) = [one for one in operations if isinstance(one, LogText)]
    assert [trial["index"] for trial in json.loads(summary.text)["trials"]] == [0, 1]
    assert sum(isinstance(one, LogReport) for one in operations) == 1


def test_a_compile_that_has_not_ended_has_no_summary() -> None:
    """Its end will give one."""
    assert _completed([SETUP, *TRIALS]) == []
