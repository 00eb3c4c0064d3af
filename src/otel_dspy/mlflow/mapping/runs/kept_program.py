"""The program of a compile, trial or evaluation, kept for the operations that log it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.mlflow.mapping.operations import KeepProgram

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_dspy.mlflow.records.span_records import CompileRecord, EvaluateRecord, SetupRecord, TrialRecord


def kept_program(
    record: SetupRecord | CompileRecord | TrialRecord | EvaluateRecord, scope: str, *, initial: bool = False
) -> Iterator[KeepProgram]:
    """Keep the state of the record's program; yield nothing if the record has none.

    Args:
        record: the decoded span.
        scope: id of the compile, or of the span of a stand-alone evaluation.
        initial: whether it is the compile's initial program.
    """
    if record.program_id and record.program_state:
        yield KeepProgram(
            key=f"{record.span.span_id}/program",
            scope=scope,
            program_id=record.program_id,
            state=record.program_state,
            initial=initial,
        )
