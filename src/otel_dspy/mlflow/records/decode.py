"""Decoding of spans: from the SDK's span to a neutral one, and from that to a typed record.

Decoding is lenient: a value of the wrong type counts as absent, and a span without the required attributes of its kind
is a plain call. A damaged span affects only its own record.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, cast

from opentelemetry.trace import StatusCode, format_span_id, format_trace_id

from otel_dspy import semconv as sc
from otel_dspy.mlflow.records.span_records import (
    CallRecord,
    CompileIdentity,
    CompileRecord,
    DatasetRecord,
    EvaluateRecord,
    ExampleRecord,
    Failures,
    PayloadPiece,
    PhaseRecord,
    SetupRecord,
    SpanLink,
    SpanRecord,
    TrialRecord,
    Usage,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import ReadableSpan

    from otel_dspy.mlflow.records.span_records import (
        Attributes,
        Fact,
    )

ERROR_TYPE = "error.type"
USAGE = "dspy.usage."
COMPILE_USAGE = "dspy.compile.usage."
ROLE = "role."
MODEL = "model."
"""Separators before the name of a role, and of a language model."""


def span_record(span: ReadableSpan) -> SpanRecord:
    """Return the neutral form of an ended span.

    Raises:
        ValueError: the span has no context or has not ended.
    """
    context = span.get_span_context()
    if context is None or span.start_time is None or span.end_time is None:
        message = f"span {span.name!r} has not ended"
        raise ValueError(message)
    error = span.status.status_code is StatusCode.ERROR
    return SpanRecord(
        trace_id=format_trace_id(context.trace_id),
        span_id=format_span_id(context.span_id),
        parent_id=format_span_id(span.parent.span_id) if span.parent else None,
        name=storable(span.name),
        kind=span.kind.name,
        start_ns=span.start_time,
        end_ns=span.end_time,
        attributes=_plain(span.attributes),
        error=error,
        message=storable(span.status.description) if error and span.status.description is not None else None,
        links=tuple(
            SpanLink(format_trace_id(link.context.trace_id), format_span_id(link.context.span_id))
            for link in span.links
        ),
        resource=_resource(span.resource),
        scope=span.instrumentation_scope.name if span.instrumentation_scope else "",
    )


_resources: dict[int, tuple[Resource, Attributes]] = {}
"""Decoded resources by their ids: all spans of a provider share one."""
_RESOURCES: Final = 16


def _resource(resource: Resource) -> Attributes:
    known = _resources.get(id(resource))
    if known is None:
        if len(_resources) >= _RESOURCES:
            _resources.clear()
        known = _resources[id(resource)] = resource, _plain(resource.attributes)
    return known[1]


def storable(text: str) -> str:
    """Return the text without NUL: PostgreSQL does not accept it and would reject the whole request."""
    return text.replace("\x00", "")


def _plain(attributes: Mapping[str, object] | None) -> Attributes:
    # The API's type also allows maps and bytes; the contract does not, and the readers below check types.
    return cast("Attributes", {name: _storable(value) for name, value in (attributes or {}).items()})


def _storable(value: object) -> object:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, tuple):
        return tuple(_storable(item) for item in cast("tuple[object, ...]", value))
    return value


def fact(span: SpanRecord) -> Fact:
    """Decode a span, whose payloads have been joined, into its record."""
    reader = _READERS.get(str(span.attributes.get(sc.DSPY_OPERATION_NAME)))
    found = reader(span, _Reader(span.attributes)) if reader else None
    return found or CallRecord(span=span)


class _Reader:
    """Attributes by type."""

    def __init__(self, attributes: Attributes) -> None:
        self._attributes = attributes

    def text(self, name: str) -> str | None:
        value = self._attributes.get(name)
        return value if isinstance(value, str) else None

    def integer(self, name: str) -> int | None:
        value = self._attributes.get(name)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def number(self, name: str) -> float | None:
        value = self._attributes.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def flag(self, name: str) -> bool | None:
        value = self._attributes.get(name)
        return value if isinstance(value, bool) else None

    def texts(self, name: str) -> tuple[str, ...]:
        value = self._attributes.get(name)
        if isinstance(value, str) or not isinstance(value, Sequence):
            return ()
        return tuple(str(item) for item in value)

    def family(self, prefix: str) -> Attributes:
        return {name[len(prefix) :]: value for name, value in self._attributes.items() if name.startswith(prefix)}

    def numbers(self, prefix: str) -> dict[str, float]:
        found = {name: self.number(prefix + name) for name in self.family(prefix)}
        return {name: value for name, value in found.items() if value is not None}

    def usage(self, prefix: str) -> Usage:
        return replace(
            self._sums(prefix),
            by_role={role: self._sums(f"{prefix}{ROLE}{role}.") for role in self._parts(f"{prefix}{ROLE}")},
            by_model={model: self._sums(f"{prefix}{MODEL}{model}.") for model in self._parts(f"{prefix}{MODEL}")},
        )

    def _sums(self, prefix: str) -> Usage:
        return Usage(
            input_tokens=self.integer(f"{prefix}input_tokens"),
            output_tokens=self.integer(f"{prefix}output_tokens"),
            lm_calls=self.integer(f"{prefix}lm_calls"),
            cache_hits=self.integer(f"{prefix}cache_hits"),
            cost=self.number(f"{prefix}cost"),
            unpriced_calls=self.integer(f"{prefix}unpriced_calls"),
            embedding_calls=self.integer(f"{prefix}embedding_calls"),
            late_calls=self.integer(f"{prefix}late_calls"),
        )

    def failures(self) -> Failures | None:
        count = self.integer(sc.DSPY_FAILURES_EXAMPLES)
        if not count:
            return None
        return Failures(
            examples=count,
            every=self.flag(sc.DSPY_FAILURES_ALL) or False,
            first_type=self.text(sc.DSPY_FAILURES_FIRST_TYPE),
            first_message=self.text(sc.DSPY_FAILURES_FIRST_MESSAGE),
        )

    def _parts(self, prefix: str) -> list[str]:
        # A model's name may contain dots, the name of a count does not.
        return sorted({name.rpartition(".")[0] for name in self.family(prefix)} - {""})

    def identity(self) -> CompileIdentity | None:
        compile_id = self.text(sc.DSPY_COMPILE_ID)
        if compile_id is None:
            return None
        return CompileIdentity(
            compile_id=compile_id,
            parent_id=self.text(sc.DSPY_COMPILE_PARENT_ID),
            parent_trial=self.integer(sc.DSPY_COMPILE_PARENT_TRIAL_INDEX),
            optimizer=self.text(sc.DSPY_OPTIMIZER_NAME) or "optimizer",
            program=self.text(sc.DSPY_PROGRAM_NAME) or "program",
            metric=self.text(sc.DSPY_METRIC_NAME),
        )


def _setup(span: SpanRecord, read: _Reader) -> SetupRecord | None:
    identity = read.identity()
    if identity is None:
        return None
    return SetupRecord(
        span=span,
        identity=identity,
        parameters=read.family(sc.DSPY_OPTIMIZER_PARAMETER),
        lm_model=read.text(sc.DSPY_LM_MODEL),
        lm_parameters=read.family(sc.DSPY_LM_PARAMETER),
        program_id=read.text(sc.DSPY_PROGRAM_ID),
        program_state=read.text(sc.DSPY_PROGRAM_STATE),
    )


def _compile(span: SpanRecord, read: _Reader) -> CompileRecord | None:
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
        candidate_tree=read.text(sc.DSPY_COMPILE_CANDIDATE_TREE),
        program_id=read.text(sc.DSPY_PROGRAM_ID),
        program_state=read.text(sc.DSPY_PROGRAM_STATE),
        usage=read.usage(USAGE),
        failures=read.failures(),
        error_type=read.text(ERROR_TYPE),
    )


def _trial(span: SpanRecord, read: _Reader) -> TrialRecord | None:
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
        best_score=read.number(sc.DSPY_TRIAL_BEST_SCORE),
        is_best=read.flag(sc.DSPY_TRIAL_IS_BEST),
        state=read.text(sc.DSPY_TRIAL_STATE),
        derived=read.flag(sc.DSPY_TRIAL_DERIVED),
        program_id=read.text(sc.DSPY_PROGRAM_ID),
        program_parents=read.texts(sc.DSPY_PROGRAM_PARENT_IDS),
        program_state=read.text(sc.DSPY_PROGRAM_STATE),
        usage=read.usage(USAGE),
        compile_usage=read.usage(COMPILE_USAGE),
        candidate=read.text(sc.DSPY_TRIAL_CANDIDATE),
        reason=read.text(sc.DSPY_TRIAL_REASON),
        measures=read.numbers(sc.DSPY_TRIAL_MEASURE),
        scores=read.text(sc.DSPY_TRIAL_SCORES),
        pareto_front=read.text(sc.DSPY_TRIAL_PARETO_FRONT),
        failures=read.failures(),
        error_type=read.text(ERROR_TYPE),
    )


def _evaluate(span: SpanRecord, read: _Reader) -> EvaluateRecord:
    return EvaluateRecord(
        span=span,
        program=read.text(sc.DSPY_PROGRAM_NAME) or "program",
        metric=read.text(sc.DSPY_METRIC_NAME),
        compile_id=read.text(sc.DSPY_COMPILE_ID),
        trial=read.integer(sc.DSPY_TRIAL_INDEX),
        score=read.number(sc.DSPY_EVALUATE_SCORE),
        objectives=read.numbers(sc.DSPY_EVALUATE_OBJECTIVE),
        num_examples=read.integer(sc.DSPY_EVALUATE_NUM_EXAMPLES),
        num_errors=read.integer(sc.DSPY_EVALUATE_NUM_ERRORS),
        scope=read.text(sc.DSPY_EVALUATE_SCOPE),
        results=read.text(sc.DSPY_EVALUATE_RESULTS),
        phase=read.text(sc.DSPY_PHASE_NAME),
        phase_index=read.integer(sc.DSPY_PHASE_INDEX) or 0,
        role=read.text(sc.DSPY_EVALUATE_ROLE),
        dataset_id=read.text(sc.DSPY_DATASET_ID),
        program_id=read.text(sc.DSPY_PROGRAM_ID),
        program_state=read.text(sc.DSPY_PROGRAM_STATE),
        usage=read.usage(USAGE),
        failures=read.failures(),
        error_type=read.text(ERROR_TYPE),
    )


def _dataset(span: SpanRecord, read: _Reader) -> DatasetRecord | None:
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
        rows=read.text(sc.DSPY_DATASET_ROWS),
        compile_id=read.text(sc.DSPY_COMPILE_ID),
    )


def _example(span: SpanRecord, read: _Reader) -> ExampleRecord:
    return ExampleRecord(
        span=span,
        program=read.text(sc.DSPY_PROGRAM_NAME) or "program",
        metric=read.text(sc.DSPY_METRIC_NAME),
        compile_id=read.text(sc.DSPY_COMPILE_ID),
        trial=read.integer(sc.DSPY_TRIAL_INDEX),
        index=read.integer(sc.DSPY_EXAMPLE_INDEX),
        example_id=read.text(sc.DSPY_EXAMPLE_ID),
        score=read.number(sc.DSPY_EXAMPLE_SCORE),
        objectives=read.numbers(sc.DSPY_EXAMPLE_OBJECTIVE),
        inputs=read.text(sc.DSPY_EXAMPLE_INPUTS),
        labels=read.text(sc.DSPY_EXAMPLE_LABELS),
        prediction=read.text(sc.DSPY_EXAMPLE_PREDICTION),
        feedback=read.text(sc.DSPY_EXAMPLE_FEEDBACK),
        error_type=read.text(ERROR_TYPE),
        error_message=read.text(sc.DSPY_EXAMPLE_ERROR_MESSAGE),
        repeated=read.flag(sc.DSPY_EXAMPLE_REPEATED) or False,
    )


def _phase(span: SpanRecord, read: _Reader) -> PhaseRecord:
    return PhaseRecord(
        span=span,
        compile_id=read.text(sc.DSPY_COMPILE_ID),
        name=read.text(sc.DSPY_PHASE_NAME) or span.name,
        instructions=read.text(sc.DSPY_PHASE_INSTRUCTIONS),
        demos=read.text(sc.DSPY_PHASE_DEMOS),
    )


def _payload(span: SpanRecord, read: _Reader) -> PayloadPiece | None:
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


_READERS: dict[str, Callable[[SpanRecord, _Reader], Fact | None]] = {
    "setup": _setup,
    "compile": _compile,
    "trial": _trial,
    "evaluate": _evaluate,
    "dataset": _dataset,
    "example": _example,
    "phase": _phase,
    "payload": _payload,
}
