"""Mapping of phases to artifacts: the candidates that a phase proposed, from which the trials choose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.mlflow.mapping.context import compile_run
from otel_dspy.mlflow.mapping.operations import LogText
from otel_dspy.serialization.json_text import parse_json, readable_json

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
    for path, text in (
        ("candidates/instructions.json", phase.instructions),
        ("candidates/demos.json", phase.demos),
    ):
        if text is not None:
            key = f"{phase.span.span_id}/{path.removesuffix('.json')}"
            yield LogText(key=key, run=run, path=path, text=_indented(text))


def _indented(text: str) -> str:
    """Return a JSON text with a line for each value; another text is returned unchanged."""
    found = parse_json(text)
    return text if found is None else readable_json(found, indent=2)
