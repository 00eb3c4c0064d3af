"""Mapping of phases: the candidates that one produced, from which the trials choose, and which one has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.mapping.context import compile_run
from otel_dspy.mlflow.mapping.naming import ENDED_PHASE, tags
from otel_dspy.mlflow.mapping.operations import DescribeRunning, LogMetrics, LogText
from otel_dspy.serialization.json_text import parse_json, readable_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_dspy.mlflow.mapping.operations import Operation
    from otel_dspy.mlflow.records.route import Options
    from otel_dspy.mlflow.records.span_records import PhaseRecord


_MIPRO_V2: Final = "MIPROv2"
_BEFORE_TRIALS: Final = frozenset({"bootstrap", "propose"})
"""Phases of MIPROv2 that precede its trials, by name."""
_STEP: Final = ("SIMBA", "step")
"""Optimizer and name of a phase whose trials end with it."""


def phase_operations(phase: PhaseRecord, options: Options) -> Iterator[Operation]:
    """Log each proposed instruction and demo set by predictor: `2` in a trial's parameter is the third.

    The run of the compile is described again when the next phase of the whole optimization begins.
    """
    run = compile_run(options, phase.compile_id)
    if run is None:
        return
    before_trials = phase.name in _BEFORE_TRIALS and _optimizer(phase) == _MIPRO_V2
    if before_trials:
        yield LogMetrics(key=f"{phase.span.span_id}/phase", run=run, tags=tags({f"{ENDED_PHASE}{phase.name}": True}))
    if before_trials or (phase.optimizer, phase.name) == _STEP:
        yield DescribeRunning(key=f"{phase.span.span_id}/running", run=run)
    for path, text in (
        ("candidates/instructions.json", phase.instructions),
        ("candidates/demos.json", phase.demos),
    ):
        if text is not None:
            key = f"{phase.span.span_id}/{path.removesuffix('.json')}"
            yield LogText(key=key, run=run, path=path, text=_indented(text))


def _optimizer(phase: PhaseRecord) -> str | None:
    """Return the optimizer; without its name, only MIPROv2's phases before the trials produce candidates."""
    if phase.optimizer is None and (phase.instructions is not None or phase.demos is not None):
        return _MIPRO_V2
    return phase.optimizer


def _indented(text: str) -> str:
    """Return a JSON text with a line for each value; another text is returned unchanged."""
    found = parse_json(text)
    return text if found is None else readable_json(found, indent=2)
