"""A span whose values are known is stored as MLflow's own class is."""

from __future__ import annotations

import copy
import json
import pickle
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import pytest
from mlflow import MlflowClient
from mlflow.entities import Span
from mlflow.tracing.otel import translation

from otel_dspy.mlflow.mapping.trace_operations import LogSpan, LogTrace
from otel_dspy.mlflow.records.route import UserEvent
from otel_dspy.mlflow.records.span import SpanLink, SpanRecord
from otel_dspy.mlflow.tracking.store.store import Store
from otel_dspy.mlflow.tracking.store.traces import encoded_attributes, mlflow_span, precomputed_span
from otel_dspy.mlflow.tracking.store.traces.precomputed_span import PrecomputedSpan, has_equal_values
from otel_dspy.runtime.fork_gate import ForkGate
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

TRACE: Final = "0123456789abcdef0123456789abcdef"
ROOT: Final = "0123456789abcdef"
TABLES: Final = ("spans", "trace_info", "trace_tags", "trace_request_metadata")
TEXTS: Final = {
    "plain": "a", "empty": "", "quoted": '"a"', "padded": ' "a" ', "object": '{"a": "é"}', "array": "[1]",
    "padded object": ' {"a": 1}', "broken": '{"a": ', "number": "1", "no number": "nan", "bytes": "\ufeff[1]",
    "deep": "[" * 1_000, "null": "null",
}  # fmt: skip
VALUES: Final[dict[str, object]] = {
    "true": True, "integer": 7, "large": 10**30, "real": 0.5, "not finite": float("nan"), "nothing": None,
    "strings": ("a", '"b"'), "mapping": {"a": ['"b"']},
}  # fmt: skip
CALL: Final[dict[str, object]] = {
    "gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.provider.name": "p",
    "gen_ai.usage.input_tokens": 3, "gen_ai.usage.output_tokens": 4,
}  # fmt: skip


@pytest.fixture(autouse=True)
def restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """MLflow's function is as before, and the class is compared again."""
    monkeypatch.setattr(
        translation,
        "sanitize_attributes",
        getattr(translation.sanitize_attributes, "__wrapped__", translation.sanitize_attributes),
    )
    has_equal_values.cache_clear()
    yield
    has_equal_values.cache_clear()


def logged(number: int, attributes: Mapping[str, object], **more: Any) -> LogSpan:
    """A span below the root, or the root, the first one."""
    parent = ROOT if number else None
    span = SpanRecord(
        trace_id=TRACE, span_id=ROOT if number == 0 else f"{number:016x}", parent_id=parent, name=f"span {number}",
        kind="INTERNAL", start_ns=1_800_000_000_000_000_000 + number, end_ns=1_800_000_001_000_000_000, attributes={},
        resource={"service.name": "s"}, scope="otel_dspy",
    )  # fmt: skip
    given = {key: more.pop(key) for key in ("error", "message", "links") if key in more}
    return LogSpan(
        key=f"{number}", trace_id=TRACE, span=replace(span, **given), parent_id=parent, attributes=attributes, **more
    )


def spans() -> list[LogSpan]:
    """Spans of every kind."""
    texts = [logged(2 + number, {name: text}) for number, (name, text) in enumerate(TEXTS.items())]
    event = UserEvent("event", 1_800_000_000_000_000_000, '{"a": [1]}')
    more: list[tuple[dict[str, object], dict[str, Any]]] = [
        ({**TEXTS, **VALUES}, {}),
        (VALUES, {"error": True, "message": "failed"}),
        ({"mlflow.spanType": "CHAIN"}, {"error": True}),
        ({"a": "b"}, {"links": (SpanLink("f" * 32, "0" * 15 + "A"), SpanLink(TRACE, ROOT))}),
        ({"a": "b"}, {"events": (event,)}),
        (CALL, {}),
        (CALL, {"unpriced_model": "m"}),
        ({**CALL, "mlflow.llm.cost": {"input_cost": 0.0, "output_cost": 0.0, "total_cost": 0.1}}, {"cost": 0.1}),
        ({"session.id": "it", "user.id": "me"}, {}),
        ({"mlflow.spanInputs": {"model": "x"}, "mlflow.spanOutputs": '{"a": 1}'}, {}),
        ({"mlflow.spanType": "UNKNOWN", "openinference.span.kind": "TOOL"}, {}),
    ]
    root = logged(0, {"mlflow.spanInputs": {"a": 1}, "mlflow.traceTag.mine": "yes", "mlflow.spanType": "WORKFLOW"})
    return [root, *texts, *(logged(100 + number, one, **kinds) for number, (one, kinds) in enumerate(more))]


def rows(folder: Path, *, new: bool) -> dict[str, list[tuple[object, ...]]]:
    """The rows of all tables of traces, once the spans are written.

    Args:
        folder: for the store.
        new: the trace's info is written in the same transaction.
    """
    uri = blank_store(folder)
    experiment = MlflowClient(uri).create_experiment("e", artifact_location="file:///artifacts")
    store = Store(uri)
    info = LogTrace(
        key="t",
        trace_id=TRACE,
        run=None,
        start_ms=1,
        name="t",
        state="OK",
        duration_ms=1,
        tags={"service.name": "other"},
    )
    writes = [lambda: store.traces.log_spans(experiment, spans())]
    if new:
        writes.insert(0, lambda: store.traces.start_trace(experiment, info, None))  # type: ignore[arg-type]
        assert store.together(writes, ForkGate())
    else:
        writes[0]()
    with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as database:
        return {table: sorted(database.execute(f"SELECT * FROM {table}"), key=repr) for table in TABLES}  # noqa: S608 - constants


@pytest.mark.parametrize("new", [False, True])
def test_rows_are_those_of_mlflows_own_class(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, new: bool) -> None:
    """In each table, to the letter."""
    found = rows(tmp_path / "known", new=new)
    assert len(found["spans"]) == len(spans())
    # A tag of the info, where there is one, is overwritten: MLflow writes the resource's last.
    assert ("service.name", "s", f"tr-{TRACE}") in found["trace_tags"]
    with monkeypatch.context() as patch:
        patch.setattr(mlflow_span, "has_equal_values", lambda: False)
        patch.setattr(encoded_attributes, "install", lambda: None)
        patch.setattr(translation, "sanitize_attributes", translation.sanitize_attributes.__wrapped__)  # type: ignore[attr-defined]
        assert found == rows(tmp_path / "own", new=new)


def test_what_is_not_known_is_mlflows() -> None:
    """Attributes and links; copies of it; a name that it lacks."""
    one = logged(1, {"a": {"b": 1}, "mlflow.spanType": "LLM"}, links=(SpanLink("f" * 32, ROOT),))
    span = mlflow_span.mlflow_span(one)
    assert type(span) is PrecomputedSpan
    assert "_span" not in vars(span)
    assert span.attributes["a"] == {"b": 1}
    assert [link.span_id for link in span.links] == [ROOT]
    for copied in (copy.copy(span), copy.deepcopy(span), pickle.loads(pickle.dumps(span))):  # noqa: S301 - its own
        assert json.dumps(copied.to_dict()) == json.dumps(span.to_dict())
    assert not hasattr(mlflow_span.mlflow_span(one), "unknown")
    assert not hasattr(span, "unknown")


@pytest.mark.parametrize("change", ["added", "reordered", "raises"])
def test_another_version_of_mlflows_class(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """Whose dictionary differs: MLflow's own class is used."""
    own: Any = Span.to_dict

    def other(span: Span) -> dict[str, Any]:
        found = own(span)
        match change:
            case "added":
                return {**found, "level": None}
            case "reordered":
                return dict(reversed(found.items()))
            case _:
                raise ValueError(change)

    monkeypatch.setattr(Span, "to_dict", other)
    assert type(mlflow_span.mlflow_span(logged(1, {}))) is Span


def test_another_version_of_mlflows_function(monkeypatch: pytest.MonkeyPatch) -> None:
    """It changes what it was not expected to change: it is called for each span."""

    def other(attributes: dict[str, Any]) -> dict[str, Any]:
        return {name.lower(): value.strip('"') for name, value in attributes.items()}

    monkeypatch.setattr(translation, "sanitize_attributes", other)
    encoded_attributes.install()
    assert translation.sanitize_attributes is other
    monkeypatch.delattr(translation, "sanitize_attributes")
    encoded_attributes.install()
    assert not hasattr(translation, "sanitize_attributes")


def test_the_class_is_compared_with_this_version() -> None:
    """It is used, with the versions that are developed with."""
    assert precomputed_span.has_equal_values()
