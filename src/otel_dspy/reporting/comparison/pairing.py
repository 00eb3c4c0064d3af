"""Pairs of the same example in the sets that the trials of two optimizations are scored on."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from otel_dspy.formatting.counted_nouns import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_dspy.reporting.compile_result import Compile

Method = Literal["digest", "content", "none"]


@dataclass(frozen=True)
class Pairing:
    """The examples that two sets have in common."""

    method: Method
    """`digest`: the sets are equal, their examples are paired by position. `content`: examples with equal fields."""
    pairs: tuple[tuple[str, str], ...] = ()
    """Ids of the same example in both optimizations."""
    difference: str | None = None
    """How the sets differ, or why no example is paired; None if they are equal."""


def pair_examples(first: Compile, second: Compile) -> Pairing:
    """Pair the examples that trials are scored on: by position if the digests are equal, else by content.

    Args:
        first: an optimization.
        second: the other one.
    """
    digests = first.validation_digest, second.validation_digest
    if None not in digests and digests[0] == digests[1]:
        known = {example.id for example in second.examples}
        return Pairing("digest", tuple((example.id, example.id) for example in first.examples if example.id in known))
    if first.has_content and second.has_content:
        return _by_content(first, second)
    if None in digests:
        return Pairing("none", difference=_not_recorded(first if digests[0] is None else second))
    return Pairing(
        "none",
        difference=f"{_sets(first, second)} differ (digests {digests[0]} and {digests[1]}), and without the content of "
        "both the examples in common are not known: record it with capture_content=True",
    )


def _by_content(first: Compile, second: Compile) -> Pairing:
    others = {key: example for example, key in _keys(second)}
    pairs = tuple((example, others[key]) for example, key in _keys(first) if key in others)
    sizes = len(first.examples), len(second.examples)
    if not pairs:
        return Pairing(
            "none",
            difference=f"{_sets(first, second)}, of {sizes[0]} and {sizes[1]} examples, have no example in common",
        )
    if len(pairs) == sizes[0] == sizes[1]:
        same_order = all(one == other for one, other in pairs)
        return Pairing(
            "content", pairs, None if same_order else f"{_sets(first, second)} have the same examples in another order"
        )
    return Pairing(
        "content",
        pairs,
        f"{_sets(first, second)} differ: {counted(len(pairs), 'example')} in common, of {sizes[0]} and {sizes[1]}",
    )


def _sets(first: Compile, second: Compile) -> str:
    """Name both sets: `the validation sets`, or one of each kind in the order of the runs."""
    if first.scored_on == second.scored_on:
        return f"the {first.scored_set}s"
    return f"the {first.scored_set} and the {second.scored_set}"


def _keys(found: Compile) -> Iterator[tuple[str, tuple[str, int]]]:
    """Yield the id of each example with its content and the number of equal examples before it."""
    occurrences = Counter[str]()
    for example in found.examples:
        # Which fields are labels depends on what the program predicts.
        fields = {**example.inputs, **example.labels}
        if not fields:
            continue
        key = json.dumps(fields, sort_keys=True, ensure_ascii=False, default=str)
        yield example.id, (key, occurrences[key])
        occurrences[key] += 1


def _not_recorded(found: Compile) -> str:
    return (
        f"run {found.run_id} has no record of its {found.scored_set}: record the optimization with "
        "capture_datasets=True and capture_content=True"
    )
