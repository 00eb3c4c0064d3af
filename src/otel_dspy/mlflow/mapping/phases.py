"""Mapping of phases to artifacts: the candidates that a phase proposed, from which the trials choose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.mlflow.mapping.context import compile_run
from otel_dspy.mlflow.mapping.operations import LogText

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_dspy.mlflow.mapping.operations import Operation
    from otel_dspy.mlflow.records.route import Options
    from otel_dspy.mlflow.records.span_records import PhaseRecord


def phase_operations(phase: PhaseRecord, options: Options) -> Iterator[Operation]:
    """Log each proposed instruction and demo set by predictor: `2` in a trial's parameter is the third."""
    run = compile_run(options, phase.compile_id)
    if run is None:
        return
    for name, text in (("instructions", phase.instructions), ("demos", phase.demos)):
        if text is not None:
            key = f"{phase.span.span_id}/candidates/{name}"
            yield LogText(key=key, run=run, path=f"candidates/{name}.json", text=text)
