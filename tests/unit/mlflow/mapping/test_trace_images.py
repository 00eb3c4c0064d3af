"""Images in a span's inputs and outputs: which become references to files of the trace."""

from __future__ import annotations

from typing import Any

import pytest
from mlflow.tracing.attachments import Attachment

from otel_dspy.mlflow.mapping.trace_operations import LogSpan
from otel_dspy.mlflow.mapping.traces.trace_images import with_references
from tests.support.mapped_spans import span as recorded
from tests.support.png_images import data_uri, png

TRACE = "0af7651916cd43dd8448eb211c80319c"
BLACK = png(0)


def logged(**attributes: Any) -> LogSpan:
    """A span with these attributes; `__` stands for a dot."""
    named = {name.replace("__", "."): value for name, value in attributes.items()}
    return LogSpan(key="k", trace_id=TRACE, span=recorded("module", {}), parent_id=None, attributes=named)


def test_inputs_and_outputs() -> None:
    """An image of both is one file; everything around it stays."""
    block = {"type": "image_url", "image_url": {"url": data_uri(BLACK)}}
    span, files = with_references(
        logged(mlflow__spanInputs={"pictures": [block], "n": 1}, mlflow__spanOutputs=data_uri(BLACK), other=[1])
    )
    ((name, content),) = files.items()
    assert content == BLACK
    reference: Any = span.attributes["mlflow.spanOutputs"]
    assert Attachment.parse_ref(reference) == {
        "attachment_id": name,
        "content_type": "image/png",
        "trace_id": f"tr-{TRACE}",
        "size": len(BLACK),
    }
    assert dict(span.attributes) == {
        "mlflow.spanInputs": {"pictures": [{"type": "image_url", "image_url": {"url": reference}}], "n": 1},
        "mlflow.spanOutputs": reference,
        "other": [1],
    }


def test_the_same_span_twice() -> None:
    """Its files have the same names, so that logging it again writes nothing new; another trace's have others."""
    first, second = (with_references(logged(mlflow__spanInputs=data_uri(BLACK))) for _ in range(2))
    assert first == second


def _nested(value: object, levels: int, *, as_fields: bool) -> object:
    for _ in range(levels):
        value = {"deeper": value} if as_fields else [value]
    return value


@pytest.mark.parametrize("as_fields", [True, False])
def test_how_deep_images_are_looked_for(*, as_fields: bool) -> None:
    """Down to the tenth level, as MLflow's UI looks for references."""
    found, files = with_references(logged(mlflow__spanInputs=_nested(data_uri(BLACK), 10, as_fields=as_fields)))
    value: Any = found.attributes["mlflow.spanInputs"]
    for _ in range(10):
        value = value["deeper" if as_fields else 0]
    assert [value.partition("?")[0]] == [f"mlflow-attachment://{name}" for name in files]
    deeper = logged(mlflow__spanInputs=_nested(data_uri(BLACK), 11, as_fields=as_fields))
    assert with_references(deeper) == (deeper, {})


@pytest.mark.parametrize(
    "attributes",
    [
        {"mlflow__spanInputs": [data_uri(BLACK)], "gen_ai__operation__name": "chat"},
        {"mlflow__spanInputs": {"text": f"look: {data_uri(BLACK)}"}},
        {"mlflow__spanInputs": data_uri(BLACK[:-20])},
        {"other": data_uri(BLACK)},
    ],
    ids=["a call of a model", "part of a text", "truncated", "another attribute"],
)
def test_what_stays(attributes: dict[str, Any]) -> None:
    """The span is returned as it is."""
    span = logged(**attributes)
    assert with_references(span) == (span, {})
