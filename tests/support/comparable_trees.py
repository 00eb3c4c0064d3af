"""Trees of spans from two runs of a program, made comparable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opentelemetry.sdk.trace import ReadableSpan

_ONE_RUNS: Final = frozenset(
    {"dspy.compile.id", "dspy.compile.parent.id", "gen_ai.response.id", "gen_ai.response.time_to_first_chunk"}
)
"""Attributes whose values differ from run to run."""


def comparable_trees(spans: Sequence[ReadableSpan]) -> list[Any]:
    """What the spans say, roots first and children inside of them, whatever their ids and times are."""
    inside: dict[int | None, list[ReadableSpan]] = {}
    for span in spans:
        inside.setdefault(span.parent.span_id if span.parent is not None else None, []).append(span)

    def drawn(span: ReadableSpan) -> Any:
        attributes = {name: value for name, value in (span.attributes or {}).items() if name not in _ONE_RUNS}
        events = [(event.name, dict(event.attributes or {})) for event in span.events]
        recorded = (span.name, span.kind.name, sorted(map(repr, attributes.items())), span.status.status_code.name)
        children = sorted((drawn(child) for child in inside.get(span_id(span), [])), key=repr)
        return (*recorded, span.status.description, events, len(span.links), children)

    return sorted((drawn(span) for span in inside.get(None, [])), key=repr)


def span_id(span: ReadableSpan) -> int:
    """The span's id in its trace."""
    return cast("Any", span.get_span_context()).span_id
