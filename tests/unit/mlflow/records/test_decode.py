"""Decoding never raises and keeps all valid attributes of a span, whatever else it carries."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Link, Status, StatusCode, format_span_id, format_trace_id

from otel_dspy import semconv
from otel_dspy.mlflow.mapping.run_keys import CompileRun, EvaluateRun, TrialRun, UserRun
from otel_dspy.mlflow.records import decode
from otel_dspy.mlflow.records.sdk_span import span_record
from otel_dspy.mlflow.records.span import SpanRecord
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
from otel_dspy.mlflow.tracking.state.run_lookup import run_tag

if TYPE_CHECKING:
    from random import Random

    from opentelemetry.sdk.trace import ReadableSpan

    from otel_dspy.mlflow.mapping.run_keys import RunKey

NAMES = sorted(value for name, value in vars(semconv).items() if name.startswith("DSPY_") and isinstance(value, str))
CHARACTERS = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
"""The stored part of a text: everything except NUL."""
VALUES: Any = st.one_of(
    st.text(CHARACTERS, max_size=5), st.booleans(), st.integers(-9, 9), st.floats(allow_nan=False),
    st.lists(st.text(CHARACTERS, max_size=3), max_size=2).map(tuple),
)  # fmt: skip
OPERATIONS = ["compile", "setup", "trial", "evaluate", "example", "dataset", "phase", "payload", "module", "nonsense"]
RUNS = st.one_of(
    st.builds(CompileRun, st.uuids().map(lambda found: found.hex)),
    st.builds(TrialRun, st.uuids().map(lambda found: found.hex), st.integers(0, 99), st.none()),
    st.builds(
        EvaluateRun, st.uuids().map(lambda found: found.hex), st.text("0123456789abcdef", min_size=16, max_size=16)
    ),
    st.builds(UserRun, st.uuids().map(lambda found: found.hex)),
)


@given(st.sampled_from(OPERATIONS), st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=12), st.randoms())
def test_any_attributes_give_one_fact_of_the_span(operation: str, recorded: dict[str, Any], chance: Random) -> None:
    """A value of the wrong type is absent, the span stays complete, and the order of attributes does not matter."""
    attributes = {**recorded, semconv.DSPY_OPERATION_NAME: operation}
    items = list(attributes.items())
    chance.shuffle(items)
    first, second = (
        decode.record_of(SpanRecord(trace_id="t", span_id="s", parent_id=None, name="n", kind="INTERNAL", start_ns=0,
                               end_ns=1, attributes=found))
        for found in (attributes, dict(items))
    )  # fmt: skip
    assert first == second
    assert first.span.attributes == attributes
    if operation in {"module", "nonsense"}:
        assert isinstance(first, CallRecord)


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("setup", SetupRecord), ("compile", CompileRecord), ("trial", TrialRecord), ("evaluate", EvaluateRecord),
        ("dataset", DatasetRecord), ("example", ExampleRecord), ("phase", PhaseRecord), ("payload", PayloadPiece),
        ("module", CallRecord),
    ],
)  # fmt: skip
def test_each_operation_has_its_record(operation: str, kind: type[object]) -> None:
    """Given the attributes that identify it."""
    attributes: dict[str, Any] = {
        semconv.DSPY_OPERATION_NAME: operation, semconv.DSPY_COMPILE_ID: "c", semconv.DSPY_TRIAL_INDEX: 0,
        semconv.DSPY_OPTIMIZER_NAME: "COPRO", semconv.DSPY_DATASET_ID: "d", semconv.DSPY_DATASET_ROLE: "train",
        semconv.DSPY_PAYLOAD_ID: "p", semconv.DSPY_PAYLOAD_ATTRIBUTE: "a", semconv.DSPY_PAYLOAD_INDEX: 0,
        semconv.DSPY_PAYLOAD_COUNT: 1, semconv.DSPY_PAYLOAD_DATA: "x",
    }  # fmt: skip
    span = SpanRecord(
        trace_id="t", span_id="s", parent_id=None, name="n", kind="INTERNAL", start_ns=0, end_ns=1,
        attributes=attributes,
    )  # fmt: skip
    assert type(decode.record_of(span)) is kind


@given(
    st.text(CHARACTERS, max_size=9), st.dictionaries(st.text(min_size=1, max_size=9), VALUES, max_size=6),
    st.booleans(), st.one_of(st.none(), st.text(CHARACTERS, max_size=9)),
)  # fmt: skip
def test_a_span_of_the_sdk_keeps_all_it_had(
    name: str,
    recorded: dict[str, Any],
    fails: bool,  # noqa: FBT001 - drawn
    message: str | None,
) -> None:
    """The neutral form has name, ids, times, attributes, links, resource and status."""
    provider = TracerProvider(resource=Resource({"service.name": "s"}), shutdown_on_exit=False)
    tracer = provider.get_tracer("otel_dspy")
    other = tracer.start_span("other").get_span_context()
    span: Any = tracer.start_span(name, attributes=recorded, links=[Link(other)])
    if fails:
        span.set_status(Status(StatusCode.ERROR, message))
    span.end()
    ended: ReadableSpan = span
    record, own = span_record(ended), span.get_span_context()
    assert (record.name, record.kind, record.parent_id, record.scope) == (name, "INTERNAL", None, "otel_dspy")
    assert (record.trace_id, record.span_id) == (format_trace_id(own.trace_id), format_span_id(own.span_id))
    assert (record.start_ns, record.end_ns) == (ended.start_time, ended.end_time)
    assert record.attributes == recorded
    assert record.resource == {"service.name": "s"}
    assert [(link.trace_id, link.span_id) for link in record.links] == [
        (format_trace_id(other.trace_id), format_span_id(other.span_id))
    ]
    assert (record.error, record.message) == ((True, message) if fails else (False, None))


@given(RUNS, RUNS)
def test_a_runs_tag_is_its_own(first: RunKey, second: RunKey) -> None:
    """By its tag a run is found again: two runs never share one, and a run has but one."""
    assert (run_tag(first) == run_tag(second)) == (first == second)


def test_a_trials_tag_is_the_same_with_and_without_its_compiles_run() -> None:
    """Whether compiles are recorded does not change which run a trial is."""
    assert run_tag(TrialRun("c", 1, None)) == run_tag(TrialRun("c", 1, CompileRun("c")))
