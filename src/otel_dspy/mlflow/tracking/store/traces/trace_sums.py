"""Token usage and cost of a trace, summed over its spans as MLflow does.

MLflow updates these sums while spans are stored. Once it has a trace's info it adds only the first following request
with tokens (3.12 to 3.18), so a trace whose info is written before its spans needs its sums written.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from otel_dspy.mlflow.tracking.store.traces.mlflow_span import cost_of
from otel_dspy.span_format import SCOPE_NAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from otel_dspy.mlflow.mapping.trace_operations import LogSpan

_SUMS: Final = {"mlflow.trace.tokenUsage": "mlflow.chat.tokenUsage", "mlflow.trace.cost": "mlflow.llm.cost"}
"""From a trace's metadata, a JSON object of numbers, to the attribute of its spans that is summed."""
_USAGE, _COST = _SUMS
_TOKENS: Final = {"gen_ai.usage.input_tokens": "input_tokens", "gen_ai.usage.output_tokens": "output_tokens"}
"""Attributes of a span that MLflow sums, and their names in its sum."""
_PREFIX: Final = "gen_ai.usage."


def corrected_sums(metadata: Mapping[str, str], spans: Sequence[Any]) -> dict[str, str]:
    """Return the sums in a trace's metadata that differ from those over its spans, corrected.

    Args:
        metadata: the trace's metadata, with MLflow's sums.
        spans: all spans of the trace, as MLflow's entities.
    """
    corrected: dict[str, str] = {}
    for name, attribute in _SUMS.items():
        total = _total(spans, attribute)
        if total and not _equal(total, metadata.get(name)):
            corrected[name] = json.dumps(total)
    return corrected


def _total(spans: Iterable[Any], attribute: str) -> dict[str, float]:
    """Return the sum over the topmost spans; a span's numbers include those of its descendants."""
    numbers: dict[str, dict[str, float]] = {}
    parents: dict[str, str | None] = {}
    for span in spans:
        parents[span.span_id] = span.parent_id
        found = span.get_attribute(attribute)
        if isinstance(found, dict):
            numbers[span.span_id] = {
                key: value
                for key, value in cast("dict[str, Any]", found).items()
                if isinstance(value, int | float) and not isinstance(value, bool)
            }
    total: dict[str, float] = {}
    for span_id, values in numbers.items():
        if not any(above in numbers for above in _above(span_id, parents)):
            for key, value in values.items():
                total[key] = total.get(key, 0) + value
    return total


def are_plain(spans: Iterable[LogSpan]) -> bool:
    """Return whether no span with tokens or a cost is below another such: all versions of MLflow sum these equally."""
    given = list(spans)
    parents = {logged.span.span_id: logged.parent_id for logged in given}
    counted = {
        logged.span.span_id
        for logged in given
        if logged.cost or any(logged.attributes.get(name) for name in _SUMS.values())
    }
    return not any(above in counted for span_id in counted for above in _above(span_id, parents))


@dataclass(frozen=True, slots=True)
class NewSums:
    """Sums that MLflow makes of the spans of a new trace.

    Attributes:
        metadata: the sums as metadata of the trace's info; without those that MLflow alone can make.
        whole: whether MLflow makes no others.
    """

    metadata: Mapping[str, str] = field(default_factory=dict[str, str])
    whole: bool = False


def sums_of(spans: Iterable[LogSpan]) -> NewSums:
    """Return the sums that MLflow makes of these spans.

    There are none if MLflow may calculate others: with spans of other libraries, tokens of caches, or calls inside of
    one another. The cost is left out if MLflow may have a price for a call.
    """
    given = list(spans)
    usage = dict.fromkeys(_TOKENS.values(), 0)
    costs: dict[str, float] = {}
    called: set[str] = set()
    priced = True
    for logged in given:
        attributes = logged.attributes
        names = {name for name in attributes if name.startswith(_PREFIX)}
        if logged.span.scope != SCOPE_NAME or _SUMS[_USAGE] in attributes or names - _TOKENS.keys():
            return NewSums()
        cost = cost_of(logged)
        if names or cost is not None:
            called.add(logged.span.span_id)
        for name in names:
            tokens = attributes[name]
            if not isinstance(tokens, int) or len(names) < len(_TOKENS):
                return NewSums()
            usage[_TOKENS[name]] += tokens
        for name, part in (cost or {}).items():
            costs[name] = costs.get(name, 0.0) + part
        priced = priced and (cost is not None or not names or logged.unpriced_model is not None)
    parents = {logged.span.span_id: logged.parent_id for logged in given}
    if any(above in called for span_id in called for above in _above(span_id, parents)):
        return NewSums()
    usage["total_tokens"] = sum(usage.values())
    found = {_USAGE: json.dumps(usage)} if usage["total_tokens"] else {}
    return NewSums(found | ({_COST: json.dumps(costs)} if costs and priced else {}), whole=priced)


def has_sums(metadata: Mapping[str, str], sums: Mapping[str, str]) -> bool:
    """Return whether the sums in a trace's metadata are these, and no others.

    Args:
        metadata: the trace's metadata.
        sums: as metadata.
    """
    return all(_equal(json.loads(sums[name]) if name in sums else {}, metadata.get(name)) for name in _SUMS)


def _above(span_id: str, parents: Mapping[str, str | None]) -> Iterator[str]:
    seen = {span_id}
    above = parents.get(span_id)
    while above is not None and above not in seen:
        seen.add(above)
        yield above
        above = parents.get(above)


def _equal(total: Mapping[str, float], text: str | None) -> bool:
    known: dict[str, float] = json.loads(text) if text is not None else {}
    return known.keys() == total.keys() and all(
        math.isclose(value, known[key], rel_tol=1e-9) for key, value in total.items()
    )
