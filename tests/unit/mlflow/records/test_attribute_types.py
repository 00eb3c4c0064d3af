"""Attributes whose type a pipeline between the program and MLflow has changed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from otel_dspy.mlflow.mapping.trace_operations import LogTrace
from otel_dspy.mlflow.mapping.traces.control_span_inputs_outputs import TOKENS, control_outputs
from otel_dspy.mlflow.records import unexpected_type_warning
from otel_dspy.mlflow.records.attribute_reader import AttributeReader
from otel_dspy.mlflow.records.decode import record_of
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.records.span_records import CallRecord, CompileRecord, TrialRecord
from otel_dspy.mlflow.records.unexpected_type_warning import MOST_ATTRIBUTES, UnexpectedTypeWarning
from otel_dspy.otlp_requests.protobuf_spans import ReceivedSpan
from otel_dspy.otlp_requests.span_route import routed
from tests.support.mapped_spans import CID, IDENTITY, operations_of, span

if TYPE_CHECKING:
    from otel_dspy.mlflow.records.span import AttributeValue

TRIAL: dict[str, Any] = {"dspy.compile.id": CID, "dspy.trial.index": 3, "dspy.usage.input_tokens": 10}


@pytest.fixture(autouse=True)
def _no_earlier_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has the warnings of a new process."""
    monkeypatch.setattr(unexpected_type_warning, "WARNING", UnexpectedTypeWarning())


def _messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records]


def test_a_trial_whose_integers_are_doubles(caplog: pytest.LogCaptureFixture) -> None:
    """JSON has one type of number: 3.0 is the integer that the program set, and nothing is logged."""
    found = record_of(span("trial", {**TRIAL, "dspy.trial.index": 3.0, "dspy.usage.input_tokens": 10.0}))
    assert isinstance(found, TrialRecord)
    assert (found.index, found.usage.input_tokens) == (3, 10)
    assert (type(found.index), type(found.usage.input_tokens)) == (int, int)
    assert _messages(caplog) == []


def test_a_score_that_is_an_integer(caplog: pytest.LogCaptureFixture) -> None:
    """A pipeline that drops the `.0` of a double."""
    found = record_of(span("trial", {**TRIAL, "dspy.trial.score": 75}))
    assert isinstance(found, TrialRecord)
    assert found.score == pytest.approx(75.0)
    assert type(found.score) is float
    assert _messages(caplog) == []


def test_the_route_and_the_tags_of_a_trial_whose_index_is_a_double() -> None:
    """A received example belongs to the same trial and is found by the same tag, whatever the number's type."""
    attributes = {**TRIAL, "dspy.trial.index": 3.0, "dspy.example.index": 1.0}
    received = ReceivedSpan(span("example", attributes, parent_id=None), local_root=True)
    assert routed(received, Destination("sqlite:///m.db", Experiment(name="E")))[1].context.trial == 3
    given: dict[str, Any] = {"dspy__compile__id": CID, "span_id": "root"}
    doubles = operations_of("example", **given, dspy__trial__index=3.0, dspy__example__index=1.0)
    integers = operations_of("example", **given, dspy__trial__index=3, dspy__example__index=1)
    assert _tags(doubles) == _tags(integers)
    assert {"dspy.trial.index": "3", "dspy.example.index": "1"}.items() <= _tags(doubles)[0].items()


def _tags(operations: list[Any]) -> list[dict[str, str]]:
    return [dict(operation.tags) for operation in operations if isinstance(operation, LogTrace)]


def test_the_sum_of_tokens_of_a_compile() -> None:
    """The preview of its trace has it too."""
    found = control_outputs(
        {"dspy.operation.name": "compile", "dspy.usage.input_tokens": 10.0, "dspy.usage.output_tokens": 5}
    )
    assert found is not None
    assert found[TOKENS] == 15
    assert type(found[TOKENS]) is int


@pytest.mark.parametrize(
    ("value", "type_found"),
    [
        ("3", "a string"), (3.5, "a double"), (math.nan, "a double"), (math.inf, "a double"), (True, "a boolean"),
        (1e300, "a double"), ((3,), "an array"),
    ],
)  # fmt: skip
def test_an_index_of_another_type_is_logged(
    value: AttributeValue, type_found: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The trial has no run: the warning has the span, the attribute and both types, once for all spans."""
    for name in ("dspy.trial first", "dspy.trial second"):
        found = record_of(span("trial", {**TRIAL, "dspy.trial.index": value}, name=name))
        assert isinstance(found, CallRecord)
    (message,) = _messages(caplog)
    assert message.startswith(
        f"The attribute 'dspy.trial.index' of the span 'dspy.trial first' is {type_found}, not an int: it is left out"
    )
    assert [one.levelname for one in caplog.records] == ["WARNING"]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("dspy.compile.id", 7, "is an int, not a string"),
        ("dspy.compile.best_score", "75.0", "is a string, not a double"),
        ("dspy.compile.in_call", "false", "is a string, not a boolean"),
        ("dspy.usage.input_tokens", "10", "is a string, not an int"),
        ("dspy.usage.role.task.lm_calls", "10", "is a string, not an int"),
        ("dspy.usage.model.a/b.c.cost", "0.1", "is a string, not a double"),
    ],
)
def test_each_type_is_named(name: str, value: AttributeValue, expected: str, caplog: pytest.LogCaptureFixture) -> None:
    """What the record lacks is in the log: identity, scores, flags and usage."""
    record_of(span("compile", {**IDENTITY, name: value}))
    (message,) = _messages(caplog)
    assert f"{name!r} of the span 'compile' {expected}" in message


def test_an_absent_attribute_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Most attributes are optional."""
    assert isinstance(record_of(span("compile", IDENTITY)), CompileRecord)
    assert _messages(caplog) == []


def test_names_that_a_sender_makes_up_are_bounded(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sender may have any number of models: the log does not grow with them, nor does a name break its lines."""
    for number in range(MOST_ATTRIBUTES + 5):
        AttributeReader(span("compile", {f"a\n{number}": 1})).text(f"a\n{number}")
    messages = _messages(caplog)
    assert len(messages) == MOST_ATTRIBUTES
    assert not any("\n" in message for message in messages)
    caplog.clear()
    monkeypatch.setattr(unexpected_type_warning, "WARNING", UnexpectedTypeWarning())
    AttributeReader(span("compile", {"a" * 10_000: 1})).text("a" * 10_000)
    (message,) = _messages(caplog)
    assert len(message) < 1000
