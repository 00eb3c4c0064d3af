"""Images in a span's inputs and outputs, as MLflow's traces hold them: files of the trace, named by references.

The format is that of `mlflow.tracing.attachments.Attachment` (MLflow 3.17), which MLflow's UI shows as images.
"""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from otel_dspy.mlflow.mapping.images import recognized
from otel_dspy.serialization.json_types import is_array, is_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.mlflow.mapping.trace_operations import LogSpan

FOLDER: Final = "attachments"
"""Folder below the trace's artifact location."""
_SHOWN: Final = ("mlflow.spanInputs", "mlflow.spanOutputs")
_LEVELS: Final = 10
"""MLflow's UI looks for references down to this level of a value."""


def with_references(span: LogSpan) -> tuple[LogSpan, Mapping[str, bytes]]:
    """Replace the images of a span's inputs and outputs by references; return it with the files by name.

    Messages of a language model keep their images: MLflow's chat view shows them, and other readers of a call's
    messages expect them there.
    """
    if "gen_ai.operation.name" in span.attributes:
        return span, {}
    files: dict[str, bytes] = {}
    values = {
        name: _referenced(span.attributes[name], span.trace_id, files, _LEVELS)
        for name in _SHOWN
        if name in span.attributes
    }
    if not files:
        return span, files
    return replace(span, attributes={**span.attributes, **values}), files


def _referenced(value: object, trace_id: str, files: dict[str, bytes], levels: int) -> object:
    if isinstance(value, str):
        image = recognized(value)
        if image is None:
            return value
        # Derived from the content, so that logging a span again writes the same file.
        name = str(uuid.uuid5(uuid.UUID(trace_id), image.digest))
        files[name] = image.content
        query = {"content_type": image.media_type, "trace_id": f"tr-{trace_id}", "size": len(image.content)}
        return f"mlflow-attachment://{name}?{urlencode(query)}"
    if levels == 0:
        return value
    if is_mapping(value):
        return {name: _referenced(item, trace_id, files, levels - 1) for name, item in value.items()}
    if is_array(value):
        return [_referenced(item, trace_id, files, levels - 1) for item in value]
    return value
