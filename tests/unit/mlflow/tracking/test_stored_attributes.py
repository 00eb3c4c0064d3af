"""Span attributes in MLflow: JSON text of an object or array is read back as such in every version."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import mlflow
from mlflow import MlflowClient

from otel_dspy.mlflow.mapping.trace_operations import LogSpan
from otel_dspy.mlflow.records.decode import record_of
from otel_dspy.mlflow.records.span import SpanRecord
from otel_dspy.mlflow.records.span_records import TrialRecord
from otel_dspy.mlflow.tracking.store.store import Store
from otel_dspy.mlflow.tracking.store.store_reader import StoreReader
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

TRACE = "0123456789abcdef0123456789abcdef"


def test_what_is_read_back(tmp_path: Path) -> None:
    """Objects and arrays as they are; anything else stays the text or number that it was."""
    uri = blank_store(tmp_path)
    experiment = MlflowClient(uri).create_experiment("stored", artifact_location=str(tmp_path / "artifacts"))
    given: dict[str, object] = {
        "object": '{"answer": "é"}',
        "array": "[1, 2]",
        "broken": '{"answer": ',
        "number": "7",
        "text": "plain",
        "strings": ("a", "b"),
        "real": 0.5,
        "deep": "[" * 2_000,
        "wide": "[" + "[]," * 2_000 + '"' + "[" * 2_000 + '"]',
    }
    span = SpanRecord(
        trace_id=TRACE, span_id="0123456789abcdef", parent_id=None, name="it", kind="INTERNAL",
        start_ns=1_800_000_000_000_000_000, end_ns=1_800_000_001_000_000_000, attributes={},
    )  # fmt: skip
    Store(uri).traces.log_spans(
        experiment, [LogSpan(key="s", trace_id=TRACE, span=span, parent_id=None, attributes=given)]
    )
    mlflow.set_tracking_uri(uri)
    (found,) = mlflow.get_trace(f"tr-{TRACE}").data.spans  # pyright: ignore[reportOptionalMemberAccess]
    read: Any = {name: found.attributes.get(name) for name in given}
    assert read == {
        "object": {"answer": "é"},
        "array": [1, 2],
        "broken": '{"answer": ',
        "number": "7",
        "text": "plain",
        "strings": ["a", "b"],
        "real": 0.5,
        "deep": "nested too deeply for MLflow: " + "[" * 2_000,
        "wide": [*[[]] * 2_000, "[" * 2_000],
    }
    assert json.dumps(read["object"]) == '{"answer": "\\u00e9"}'


def test_a_trial_that_is_read_for_another_writer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """MLflow parses texts of JSON: they are texts again, so that no pipeline seems to have changed their type."""
    uri = blank_store(tmp_path)
    experiment = MlflowClient(uri).create_experiment("stored", artifact_location=str(tmp_path / "artifacts"))
    given: dict[str, Any] = {
        "dspy.operation.name": "trial",
        "dspy.compile.id": "c",
        "dspy.trial.index": 1,
        "dspy.trial.candidate": '{"self":{"instruction":"Add é."}}',
        "dspy.trial.scores": '[{"on":"minibatch","id":0,"score":1.0}]',
        "dspy.program.parent.ids": ("a", "b"),
    }
    span = SpanRecord(
        trace_id=TRACE, span_id="0123456789abcdef", parent_id=None, name="trial COPRO", kind="INTERNAL",
        start_ns=1_800_000_000_000_000_000, end_ns=1_800_000_001_000_000_000, attributes=given,
    )  # fmt: skip
    Store(uri).traces.log_spans(
        experiment, [LogSpan(key="s", trace_id=TRACE, span=span, parent_id=None, attributes=given)]
    )
    (found,) = StoreReader(uri).spans(TRACE)
    record = record_of(found)
    assert isinstance(record, TrialRecord)
    assert (record.candidate, record.scores) == (given["dspy.trial.candidate"], given["dspy.trial.scores"])
    assert found.attributes["dspy.program.parent.ids"] == ["a", "b"]
    assert not caplog.records
