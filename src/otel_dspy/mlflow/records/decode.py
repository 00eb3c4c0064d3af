"""Decoding of spans into typed records.

Decoding is lenient: a value of the wrong type, or JSON that is cut, counts as absent (see `AttributeReader`); a span
without the required attributes of its kind is a plain call. A damaged span affects only its own record.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy import semconv as sc
from otel_dspy.mlflow.records.attribute_reader import AttributeReader
from otel_dspy.mlflow.records.span_records import (
    CallRecord,
    CompileRecord,
    DatasetRecord,
    EvaluateRecord,
    ExampleRecord,
    PayloadPiece,
    PhaseRecord,
    SetupRecord,
    TrialRecord,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.mlflow.records.span import SpanRecord
    from otel_dspy.mlflow.records.span_records import Record

ERROR_TYPE = "error.type"
USAGE = "dspy.usage."
COMPILE_USAGE = "dspy.compile.usage."
FORECAST = "dspy.forecast."


def record_of(span: SpanRecord) -> Record:
    """Decode a span, whose payloads have been joined, into its record."""
    reader = _READERS.get(str(span.attributes.get(sc.DSPY_OPERATION_NAME)))
    found = reader(span, AttributeReader(span)) if reader else None
    return found or CallRecord(span=span)


def _setup(span: SpanRecord, read: AttributeReader) -> SetupRecord | None:
    identity = read.identity()
    if identity is None:
        return None
    return SetupRecord(
        span=span,
        identity=identity,
        parameters=read.family(sc.DSPY_OPTIMIZER_PARAMETER),
        lm_model=read.text(sc.DSPY_LM_MODEL),
        lm_parameters=read.family(sc.DSPY_LM_PARAMETER),
        forecast=read.family(FORECAST),
        program_id=read.text(sc.DSPY_PROGRAM_ID),
        program_state=read.json(sc.DSPY_PROGRAM_STATE),
    )


def _compile(span: SpanRecord, read: AttributeReader) -> CompileRecord | None:
    identity = read.identity()
    if identity is None or read.flag(sc.DSPY_COMPILE_IN_CALL):
        return None
    return CompileRecord(
        span=span,
        identity=identity,
        parameters=read.family(sc.DSPY_OPTIMIZER_PARAMETER),
        initial_score=read.number(sc.DSPY_COMPILE_INITIAL_SCORE),
        best_score=read.number(sc.DSPY_COMPILE_BEST_SCORE),
        step_failed=read.flag(sc.DSPY_COMPILE_STEP_FAILED),
        best_trial=read.integer(sc.DSPY_COMPILE_BEST_TRIAL_INDEX),
        score_unit=read.text(sc.DSPY_TRIAL_SCORE_UNIT),
        trial_count=read.integer(sc.DSPY_COMPILE_TRIAL_COUNT),
        resumed_from=read.text(sc.DSPY_COMPILE_RESUMED_FROM),
        resumed_iteration=read.integer(sc.DSPY_COMPILE_RESUMED_ITERATION),
        resumed_differences=read.texts(sc.DSPY_COMPILE_RESUMED_DIFFERENCES),
        program_id=read.text(sc.DSPY_PROGRAM_ID),
        program_state=read.json(sc.DSPY_PROGRAM_STATE),
        usage=read.usage(USAGE),
        failures=read.failures(),
        error_type=read.text(ERROR_TYPE),
    )


def _trial(span: SpanRecord, read: AttributeReader) -> TrialRecord | None:
    compile_id, index = read.text(sc.DSPY_COMPILE_ID), read.integer(sc.DSPY_TRIAL_INDEX)
    if compile_id is None or index is None:
        return None
    return TrialRecord(
        span=span,
        compile_id=compile_id,
        index=index,
        label=read.text(sc.DSPY_TRIAL_LABEL),
        kind=read.text(sc.DSPY_TRIAL_KIND),
        parameters=read.family(sc.DSPY_TRIAL_PARAMETER),
        score=read.number(sc.DSPY_TRIAL_SCORE),
        score_unit=read.text(sc.DSPY_TRIAL_SCORE_UNIT),
        scope=read.text(sc.DSPY_TRIAL_SCOPE),
        num_examples=read.integer(sc.DSPY_EVALUATE_NUM_EXAMPLES),
        initial_score=read.number(sc.DSPY_COMPILE_INITIAL_SCORE),
        best_score=read.number(sc.DSPY_TRIAL_BEST_SCORE),
        is_best=read.flag(sc.DSPY_TRIAL_IS_BEST),
        state=read.text(sc.DSPY_TRIAL_STATE),
        derived=read.flag(sc.DSPY_TRIAL_DERIVED),
        program_id=read.text(sc.DSPY_PROGRAM_ID),
        program_parents=read.texts(sc.DSPY_PROGRAM_PARENT_IDS),
        program_state=read.json(sc.DSPY_PROGRAM_STATE),
        usage=read.usage(USAGE),
        compile_usage=read.usage(COMPILE_USAGE),
        candidate=read.json(sc.DSPY_TRIAL_CANDIDATE),
        reason=read.text(sc.DSPY_TRIAL_REASON),
        measures=read.numbers(sc.DSPY_TRIAL_MEASURE),
        scores=read.json(sc.DSPY_TRIAL_SCORES),
        pareto_front=read.json(sc.DSPY_TRIAL_PARETO_FRONT),
        failures=read.failures(),
        error_type=read.text(ERROR_TYPE),
    )


def _evaluate(span: SpanRecord, read: AttributeReader) -> EvaluateRecord:
    return EvaluateRecord(
        span=span,
        program=read.text(sc.DSPY_PROGRAM_NAME) or "program",
        metric=read.text(sc.DSPY_METRIC_NAME),
        compile_id=read.text(sc.DSPY_COMPILE_ID),
        trial=read.integer(sc.DSPY_TRIAL_INDEX),
        score=read.number(sc.DSPY_EVALUATE_SCORE),
        objectives=read.numbers(sc.DSPY_EVALUATE_OBJECTIVE),
        num_errors=read.integer(sc.DSPY_EVALUATE_NUM_ERRORS),
        scope=read.text(sc.DSPY_EVALUATE_SCOPE),
        results=read.json(sc.DSPY_EVALUATE_RESULTS),
        phase=read.text(sc.DSPY_PHASE_NAME),
        phase_index=read.integer(sc.DSPY_PHASE_INDEX) or 0,
        role=read.text(sc.DSPY_EVALUATE_ROLE),
        within_example=read.flag(sc.DSPY_EVALUATE_WITHIN_EXAMPLE) or False,
        dataset_id=read.text(sc.DSPY_DATASET_ID),
        program_id=read.text(sc.DSPY_PROGRAM_ID),
        program_state=read.json(sc.DSPY_PROGRAM_STATE),
        usage=read.usage(USAGE),
        failures=read.failures(),
        error_type=read.text(ERROR_TYPE),
    )


def _dataset(span: SpanRecord, read: AttributeReader) -> DatasetRecord | None:
    role, dataset_id = read.text(sc.DSPY_DATASET_ROLE), read.text(sc.DSPY_DATASET_ID)
    if role is None or dataset_id is None:
        return None
    return DatasetRecord(
        span=span,
        role=role,
        dataset_id=dataset_id,
        name=read.text(sc.DSPY_DATASET_NAME) or role,
        size=read.integer(sc.DSPY_DATASET_SIZE),
        fields=read.texts(sc.DSPY_DATASET_FIELDS),
        input_fields=read.texts(sc.DSPY_DATASET_INPUT_FIELDS),
        rows=read.json(sc.DSPY_DATASET_ROWS),
        compile_id=read.text(sc.DSPY_COMPILE_ID),
        within_example=read.flag(sc.DSPY_EVALUATE_WITHIN_EXAMPLE) or False,
    )


def _example(span: SpanRecord, read: AttributeReader) -> ExampleRecord:
    return ExampleRecord(
        span=span,
        program=read.text(sc.DSPY_PROGRAM_NAME) or "program",
        metric=read.text(sc.DSPY_METRIC_NAME),
        compile_id=read.text(sc.DSPY_COMPILE_ID),
        trial=read.integer(sc.DSPY_TRIAL_INDEX),
        index=read.integer(sc.DSPY_EXAMPLE_INDEX),
        example_id=read.text(sc.DSPY_EXAMPLE_ID),
        score=read.number(sc.DSPY_EXAMPLE_SCORE),
        initial_score=read.number(sc.DSPY_EXAMPLE_INITIAL_SCORE),
        parent_score=read.number(sc.DSPY_EXAMPLE_PARENT_SCORE),
        objectives=read.numbers(sc.DSPY_EXAMPLE_OBJECTIVE),
        inputs=read.text(sc.DSPY_EXAMPLE_INPUTS),
        labels=read.text(sc.DSPY_EXAMPLE_LABELS),
        prediction=read.text(sc.DSPY_EXAMPLE_PREDICTION),
        feedback=read.text(sc.DSPY_EXAMPLE_FEEDBACK),
        error_type=read.text(ERROR_TYPE),
        error_message=read.text(sc.DSPY_EXAMPLE_ERROR_MESSAGE),
        within_example=read.flag(sc.DSPY_EVALUATE_WITHIN_EXAMPLE) or False,
        repeated=read.flag(sc.DSPY_EXAMPLE_REPEATED) or False,
    )


def _phase(span: SpanRecord, read: AttributeReader) -> PhaseRecord:
    return PhaseRecord(
        span=span,
        compile_id=read.text(sc.DSPY_COMPILE_ID),
        name=read.text(sc.DSPY_PHASE_NAME) or span.name,
        optimizer=read.text(sc.DSPY_OPTIMIZER_NAME),
        instructions=read.text(sc.DSPY_PHASE_INSTRUCTIONS),
        demos=read.text(sc.DSPY_PHASE_DEMOS),
    )


def _payload(span: SpanRecord, read: AttributeReader) -> PayloadPiece | None:
    payload_id, attribute = read.text(sc.DSPY_PAYLOAD_ID), read.text(sc.DSPY_PAYLOAD_ATTRIBUTE)
    index, count = read.integer(sc.DSPY_PAYLOAD_INDEX), read.integer(sc.DSPY_PAYLOAD_COUNT)
    data = read.text(sc.DSPY_PAYLOAD_DATA)
    if payload_id is None or attribute is None or index is None or count is None or data is None:
        return None
    return PayloadPiece(
        span=span,
        payload_id=payload_id,
        owner_id=span.parent_id or "",
        attribute=attribute,
        index=index,
        count=count,
        encoding=read.text(sc.DSPY_PAYLOAD_ENCODING) or "",
        data=data,
    )


_READERS: dict[str, Callable[[SpanRecord, AttributeReader], Record | None]] = {
    "setup": _setup,
    "compile": _compile,
    "trial": _trial,
    "evaluate": _evaluate,
    "dataset": _dataset,
    "example": _example,
    "phase": _phase,
    "payload": _payload,
}
