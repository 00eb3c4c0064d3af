"""GEPA's trials as a test reads them from a trace."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from tests.support.span_recorder import Recorder

_TABLES = ("dspy.trial.scores", "dspy.trial.pareto.front", "dspy.trial.candidate")


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """Attributes of the span."""
    return dict(span.attributes or {})


def trials(recorder: Recorder) -> list[dict[str, Any]]:
    """The trials' attributes without `dspy.trial.`, by index; tables read from their JSON."""
    found = [
        {name.removeprefix("dspy.trial."): _read(name, value) for name, value in attributes(span).items()}
        for span in recorder.named("trial")
    ]
    return sorted(found, key=lambda trial: trial["index"])


def _read(name: str, value: Any) -> Any:
    return json.loads(value) if name in _TABLES else value


def validation(trial: dict[str, Any]) -> dict[Any, float]:
    """The scores on the validation set by the example's id."""
    return {row["id"]: row["score"] for row in trial["scores"] if row["on"] == "validation"}


def front(trial: dict[str, Any]) -> dict[Any, set[int]]:
    """Who reaches the best score of each example."""
    return {row["id"]: set(row["candidates"]) for row in trial["pareto.front"] if row["of"] == "example"}


def control_lines(recorder: Recorder, *shown: str) -> list[str]:
    """The control trace without the calls of programs."""
    lines = recorder.tree("compile", *shown)
    return [line for line in lines if not line.lstrip().startswith(("module", "chat"))]
