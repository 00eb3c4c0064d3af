"""Spans of the inputs of a compile, `setup` and `dataset`, and the states of its programs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opentelemetry.trace import set_span_in_context

from otel_dspy import semconv
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.serialization.datasets import field_names
from otel_dspy.telemetry.parameter_attributes import parameter_attributes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

    from otel_dspy.serialization.datasets import ExampleRegistry
    from otel_dspy.serialization.programs import ProgramSnapshot
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import CompileScope


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetInfo:
    """A dataset: its role (train, validation, evaluation), its name, and the user's own list of examples."""

    role: str
    name: str
    examples: Sequence[Any]
    within_example: bool = False
    """Whether it is of an evaluation that an example of another evaluation makes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetupInfo:
    """Resolved inputs of a compile."""

    program: ProgramSnapshot | None
    parameters: Mapping[str, object]
    lm_model: str | None
    lm_parameters: Mapping[str, object] = field(default_factory=dict[str, object])
    datasets: Sequence[DatasetInfo] = ()
    forecast: Mapping[str, AttributeValue] = field(default_factory=dict[str, "AttributeValue"])
    """`dspy.forecast.*`; empty if the optimizer's arithmetic is unknown."""


def compile_identity(scope: CompileScope) -> dict[str, AttributeValue]:
    """Return the attributes that identify the compile on its own spans."""
    attributes: dict[str, AttributeValue] = {
        semconv.DSPY_COMPILE_ID: scope.id,
        semconv.DSPY_OPTIMIZER_NAME: scope.optimizer_name,
        semconv.DSPY_PROGRAM_NAME: scope.program_name,
    }
    if scope.metric_name is not None:
        attributes[semconv.DSPY_METRIC_NAME] = scope.metric_name
    if scope.parent is not None:
        attributes[semconv.DSPY_COMPILE_PARENT_ID] = scope.parent.id
        attributes[semconv.DSPY_COMPILE_DEPTH] = scope.depth
        if scope.parent_trial_index is not None:
            attributes[semconv.DSPY_COMPILE_PARENT_TRIAL_INDEX] = scope.parent_trial_index
    return attributes


def emit_setup(telemetry: Telemetry, scope: CompileScope, info: SetupInfo) -> None:
    """Emit the `setup` span with its datasets once per compile, and set the parameters on the compile's span too.

    Args:
        telemetry: the emitter of spans, events and metrics.
        scope: the compile.
        info: its parameters, program and datasets.
    """
    with scope.lock:
        if scope.setup_done:
            return
        scope.setup_done = True
    parameters = parameter_attributes(semconv.DSPY_OPTIMIZER_PARAMETER, info.parameters, telemetry.secrets)
    scope.span.set_attributes(parameters)
    attributes: dict[str, AttributeValue] = {
        semconv.DSPY_OPERATION_NAME: "setup",
        **compile_identity(scope),
        **parameters,
        **parameter_attributes(semconv.DSPY_LM_PARAMETER, info.lm_parameters, telemetry.secrets),
        **info.forecast,
    }
    if info.lm_model is not None:
        attributes[semconv.DSPY_LM_MODEL] = info.lm_model
    span = telemetry.tracer.start_span(
        semconv.SPAN_DSPY_SETUP.format(scope.optimizer_name), context=scope.context, attributes=attributes
    )
    put_program(telemetry, scope, span, info.program)
    # Ended before the datasets, so that a receiver of single spans knows which compile they belong to.
    telemetry.end_span(span)
    for dataset in info.datasets:
        with guarded("a dataset"):
            emit_dataset(telemetry, span, dataset, scope.examples, scope)


def put_program(telemetry: Telemetry, scope: CompileScope | None, span: Span, program: ProgramSnapshot | None) -> None:
    """Set the program's id on the span, and its state on the first span of the compile that has this id.

    Args:
        telemetry: the emitter of spans, events and metrics.
        scope: the enclosing compile, if any.
        span: the span that refers to the program.
        program: the program's id and state, if known.
    """
    if program is None:
        return
    span.set_attribute(semconv.DSPY_PROGRAM_ID, program.id)
    if scope is not None:
        with scope.lock:
            known = program.id in scope.sent_programs
            scope.sent_programs.add(program.id)
        if known:
            return
    if telemetry.settings.capture_programs:
        telemetry.put_payload(span, semconv.DSPY_PROGRAM_STATE, program.state)


def emit_dataset(
    telemetry: Telemetry,
    parent: Span,
    info: DatasetInfo,
    registry: ExampleRegistry,
    scope: CompileScope | None,
) -> str:
    """Emit a `dataset` span, once for each role and content in a compile, and return the dataset's id.

    The rows are recorded on it, unless enclosing compiles have recorded all of them: a nested compile's training set is
    mostly that of the outer compile, a part of it, or the same in another order.

    Args:
        telemetry: the telemetry facade.
        parent: parent span.
        info: the dataset.
        registry: cache of rows and ids.
        scope: the compile; None for an evaluation outside a compile.
    """
    rows = [registry.row(example) for example in info.examples]
    ids = {registry.example_id(example) for example in info.examples}
    dataset_id = registry.dataset_id(info.examples)
    if scope is not None:
        if (info.role, dataset_id) in scope.sent_datasets:
            return dataset_id
        scope.sent_datasets.add((info.role, dataset_id))
        registry.number(info.examples, validation=info.role == "validation")
    attributes: dict[str, AttributeValue] = {
        semconv.DSPY_OPERATION_NAME: "dataset",
        semconv.DSPY_DATASET_ROLE: info.role,
        semconv.DSPY_DATASET_ID: dataset_id,
        semconv.DSPY_DATASET_NAME: info.name,
        semconv.DSPY_DATASET_SIZE: len(rows),
        semconv.DSPY_DATASET_FIELDS: field_names(rows),
    }
    if inputs := registry.input_names(info.examples):
        attributes[semconv.DSPY_DATASET_INPUT_FIELDS] = inputs
    if scope is not None:
        attributes[semconv.DSPY_COMPILE_ID] = scope.id
    if info.within_example:
        attributes[semconv.DSPY_EVALUATE_WITHIN_EXAMPLE] = True
    span = telemetry.tracer.start_span(
        semconv.SPAN_DSPY_DATASET.format(info.role), context=set_span_in_context(parent), attributes=attributes
    )
    if telemetry.settings.capture_datasets and (scope is None or not scope.rows_known(ids)):
        telemetry.put_content_payload(span, semconv.DSPY_DATASET_ROWS, rows, whole=True)
        if scope is not None:
            scope.sent_rows |= ids
    telemetry.end_span(span)
    return dataset_id
