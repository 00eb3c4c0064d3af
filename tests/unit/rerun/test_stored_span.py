"""Spans of MLflow: as they are stored, without a conversion, they have what MLflow's own reading of them has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
import pytest
from mlflow import MlflowClient
from mlflow.entities import Span
from mlflow.entities import span as mlflow_span

from otel_dspy.rerun.recorded_call import OPERATION, recorded_call
from otel_dspy.rerun.stored_span import stored_call
from tests.support.in_process_lm import engine_of, in_process_lm
from tests.support.recorded_run import recording_into

if TYPE_CHECKING:
    from pathlib import Path


def test_a_span_as_stored_and_as_mlflow_reads_it(tmp_path: Path) -> None:
    """A call that returned and one that failed, with the same attributes, times, errors and answers; no other span."""
    lm: Any = in_process_lm(lambda messages: f"2, ünd {messages[-1]['content']}")
    with recording_into(tmp_path) as uri, dspy.context(lm=lm):
        lm("1+1", temperature=0.5, stop=["."], rollout_id=2)
        engine_of(lm).failures = [dspy.lm15.ServerError("busy")] * 2
        with pytest.raises(Exception, match="busy"):
            dspy.Predict("question -> answer")(question="2+2")
    traces: Any = MlflowClient(uri).search_traces(locations=["1"], include_spans=True)
    spans = [span for trace in traces for span in trace.data.spans]
    read = [stored_call(Span.from_dict(span.to_dict())) for span in spans]
    stored = [stored_call(span) for span in spans]
    assert [call is None for call in stored] == [call is None for call in read]
    assert sorted(call is None for call in stored) == [False, False, True]
    for one, other in zip(stored, read, strict=True):
        if one is None or other is None:
            continue
        assert type(one.attributes) is not dict
        assert (dict(one.attributes), one.start_ns, one.error) == (dict(other.attributes), other.start_ns, other.error)
        made = recorded_call(one.attributes, one.start_ns, one.error, "here")
        assert made == recorded_call(other.attributes, other.start_ns, other.error, "here")
        assert made is not None
    assert sorted(one.error or "" for one in stored if one is not None)[1].endswith("busy")


def test_attributes_that_are_no_json_texts() -> None:
    """Another client may have written them: they are what MLflow's own reading gives."""
    deep = "[" * 100_000
    attributes = {
        "mlflow.traceRequestID": '"tr-1"', OPERATION: '"chat"', "plain": "no JSON", "number": 3, "deep": deep,
    }  # fmt: skip
    stored: Any = {
        "name": "chat", "trace_id": "AAAAAAAAAAAAAAAAAAAAAQ==", "span_id": "AAAAAAAAAAE=", "parent_span_id": None,
        "start_time_unix_nano": 1, "end_time_unix_nano": 2, "status": {"code": "STATUS_CODE_OK", "message": ""},
        "attributes": attributes, "events": [],
    }  # fmt: skip
    lazy: Any = getattr(mlflow_span, "LazySpan", Span.from_dict)  # which is what stores of newer versions return
    read = stored_call(lazy(stored))
    assert read is not None
    assert [read.attributes[name] for name in attributes] == ["tr-1", "chat", "no JSON", 3, deep]
