"""The rules of the contract that bind spans to one another: parentage, nearest compile, roll-ups, payloads, states."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import math
from collections import Counter, defaultdict
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from otel_dspy import semconv

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from opentelemetry.sdk.trace import ReadableSpan

    from tools.semconv_parser import Span

SpanKey = tuple[int, int]
"""Trace id and span id."""
INFERENCE: Final = "span.gen_ai.inference"
EMBEDDINGS: Final = "span.gen_ai.embeddings"
OPTED_IN_PROGRAMS: Final = "programs"
_OURS: Final = "span.dspy."
_USAGE: Final = "dspy.usage."
_SPLITS: Final = {
    semconv.DSPY_USAGE_ROLE: (_USAGE, "roles"),
    semconv.DSPY_USAGE_MODEL: (_USAGE, "models"),
    semconv.DSPY_COMPILE_USAGE_ROLE: ("dspy.compile.usage.", "roles"),
    semconv.DSPY_COMPILE_USAGE_MODEL: ("dspy.compile.usage.", "models"),
}
"""Beginning of the names of a roll-up's parts -> that of the roll-up's names, and what the parts are."""


class Tree:
    """Finished spans with what the contract calls each of them, and the way from each to the ones above.

    Args:
        kinds: span -> its declaration; spans of other libraries are None, and still count as parents.
    """

    def __init__(self, kinds: Sequence[tuple[ReadableSpan, Span | None]]) -> None:
        self.kinds = kinds
        self._by_key = {key(span): (span, kind) for span, kind in kinds}
        self._above = {own: self._find_above(span) for own, (span, _) in self._by_key.items()}
        self._ancestors: dict[SpanKey, Sequence[tuple[ReadableSpan, Span | None]]] = {}
        self._calls: defaultdict[SpanKey, list[ReadableSpan]] = defaultdict(list)
        self._pieces: defaultdict[SpanKey, list[ReadableSpan]] = defaultdict(list)
        for span, kind in kinds:
            # A function as embedder is no model, and its span has no role.
            embedded = kind is not None and kind.id == EMBEDDINGS and semconv.DSPY_LM_ROLE in attributes_of(span)
            if embedded or (kind is not None and kind.id == INFERENCE):
                for above, _ in self.ancestors(span):
                    self._calls[key(above)].append(span)
            elif _is(kind, "payload") and span.parent is not None:
                self._pieces[span.parent.trace_id, span.parent.span_id].append(span)

    def _find_above(self, span: ReadableSpan) -> tuple[ReadableSpan, Span | None] | None:
        if span.parent is not None:
            return self._by_key.get((span.parent.trace_id, span.parent.span_id))
        for link in span.links:
            if found := self._by_key.get((link.context.trace_id, link.context.span_id)):
                return found
        return None

    def above(self, span: ReadableSpan) -> tuple[ReadableSpan, Span | None] | None:
        """The span directly above: the parent, or for a linked example the evaluation that it links to."""
        return self._above[key(span)]

    def ancestors(self, span: ReadableSpan) -> Sequence[tuple[ReadableSpan, Span | None]]:
        """Everything above, nearest first."""
        own = key(span)
        if own not in self._ancestors:
            step = self._above[own]
            self._ancestors[own] = [] if step is None else [step, *self.ancestors(step[0])]
        return self._ancestors[own]

    def calls_below(self, top: ReadableSpan) -> Sequence[ReadableSpan]:
        """The calls of language and embedding models among whose ancestors `top` is."""
        return self._calls[key(top)]

    def pieces_of(self, span: ReadableSpan) -> Sequence[ReadableSpan]:
        """The spans that carry its payloads."""
        return self._pieces[key(span)]


def key(span: ReadableSpan) -> SpanKey:
    """Trace id and span id of a finished span."""
    assert span.context is not None
    return span.context.trace_id, span.context.span_id


def attributes_of(span: ReadableSpan) -> Mapping[str, Any]:
    """The span's attributes, never None."""
    return span.attributes or {}


def parent_violations(tree: Tree, span: ReadableSpan, kind: Span) -> Iterator[str]:
    """Orphans, parents that the contract does not allow, examples without their link."""
    if span.parent is not None:
        above = tree.above(span)
        if above is None:
            yield "its parent was never exported"
        elif "any" not in kind.parents and (above[1] is None or above[1].id not in kind.parents):
            yield f"its parent is {above[0].name!r}, not one of {', '.join(kind.parents)}"
        return
    if not {"any", "none"} & set(kind.parents):
        yield f"it is a root, and its parent must be one of {', '.join(kind.parents)}"
    if kind.id == "span.dspy.example":
        linked = [tree.above(span)] if len(span.links) == 1 else []
        if not any(found and found[1] and found[1].id == "span.dspy.evaluate" for found in linked):
            yield "it is a root without one link to its evaluation"


def belonging_violations(tree: Tree, span: ReadableSpan, kind: Span) -> Iterator[str]:
    """Compile id, trial index and depth must be those of the nearest enclosing compile and trial."""
    attributes = attributes_of(span)
    names = {ref.id for ref in kind.attributes}
    enclosing = [above for above, above_kind in tree.ancestors(span) if _is(above_kind, "compile")]
    nearest = attributes_of(enclosing[0])[semconv.DSPY_COMPILE_ID] if enclosing else None
    trial = next((above for above, above_kind in tree.ancestors(span) if _is(above_kind, "trial", "compile")), None)
    index = attributes_of(trial).get(semconv.DSPY_TRIAL_INDEX) if trial is not None else None
    if _is(kind, "compile") and attributes.get(semconv.DSPY_COMPILE_IN_CALL):
        # A part of a program's call, wherever that stands; an inner one has no other around it in the record.
        expected = dict.fromkeys(
            (semconv.DSPY_COMPILE_PARENT_ID, semconv.DSPY_COMPILE_DEPTH, semconv.DSPY_COMPILE_PARENT_TRIAL_INDEX)
        )
    elif _is(kind, "compile"):
        expected = {
            semconv.DSPY_COMPILE_PARENT_ID: nearest,
            semconv.DSPY_COMPILE_DEPTH: len(enclosing) or None,
            semconv.DSPY_COMPILE_PARENT_TRIAL_INDEX: index,
        }
    elif semconv.DSPY_COMPILE_ID in names:
        expected = {semconv.DSPY_COMPILE_ID: nearest}
        if _is(kind, "evaluate", "example"):
            expected[semconv.DSPY_TRIAL_INDEX] = index
    else:
        return
    for name, value in expected.items():
        if attributes.get(name) != value:
            yield f"{name} is {attributes.get(name)!r} where {value!r} encloses it"


def trial_violations(tree: Tree, span: ReadableSpan, kind: Span) -> Iterator[str]:
    """A compile's trials are numbered 0, 1, 2 … and counted."""
    if not _is(kind, "compile"):
        return
    own = attributes_of(span)[semconv.DSPY_COMPILE_ID]
    indexes = sorted(
        attributes_of(trial)[semconv.DSPY_TRIAL_INDEX]
        for trial, trial_kind in tree.kinds
        if _is(trial_kind, "trial") and attributes_of(trial).get(semconv.DSPY_COMPILE_ID) == own
    )
    if indexes != list(range(len(indexes))):
        yield f"its trials are numbered {indexes}"
    if attributes_of(span).get(semconv.DSPY_COMPILE_TRIAL_COUNT) != len(indexes):
        yield f"it counts {attributes_of(span).get(semconv.DSPY_COMPILE_TRIAL_COUNT)} trials and has {len(indexes)}"


def usage_violations(tree: Tree, span: ReadableSpan, kind: Span) -> Iterator[str]:
    """A roll-up is the sum over the calls of models below; a cache hit counts no tokens and no cost.

    Where it is split by role, each part is the sum over that role's calls, and the parts add up to the whole.
    """
    declared = {ref.id for ref in kind.attributes}
    if semconv.DSPY_USAGE_LM_CALLS not in declared:
        return
    # A straggler may call after everything around it has ended.
    calls = [attributes_of(call) for call in tree.calls_below(span) if (call.end_time or 0) <= (span.end_time or 0)]
    for name, value in _summed(calls).items():
        recorded = attributes_of(span).get(_USAGE + name)
        if recorded is not None and not _same(recorded, value):
            yield f"{_USAGE}{name} is {recorded}, and the calls below sum up to {value}"
    yield from _unlike_its_calls(span, calls if semconv.DSPY_USAGE_ROLE.removesuffix(".") in declared else ())
    yield from _unlike_its_parts(span)


def _unlike_its_calls(span: ReadableSpan, calls: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for role in sorted({call[semconv.DSPY_LM_ROLE] for call in calls if semconv.DSPY_LM_ROLE in call}):
        for name, value in _summed([call for call in calls if call.get(semconv.DSPY_LM_ROLE) == role]).items():
            recorded = attributes_of(span).get(f"{semconv.DSPY_USAGE_ROLE}{role}.{name}")
            if recorded is None or not _same(recorded, value):
                yield f"{semconv.DSPY_USAGE_ROLE}{role}.{name} is {recorded}, and its calls below sum up to {value}"


def _unlike_its_parts(span: ReadableSpan) -> Iterator[str]:
    for split, (whole, kinds) in _SPLITS.items():
        parts: defaultdict[str, list[float]] = defaultdict(list)
        for name, value in attributes_of(span).items():
            if name.startswith(split):
                parts[name.rpartition(".")[2]].append(value)
        for name, values in parts.items():
            if not _same(attributes_of(span).get(whole + name, math.nan), sum(values)):
                yield f"{whole}{name} is {attributes_of(span).get(whole + name)}, and the {kinds} sum up to {sum(values)}"


def _summed(calls: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    sent = [call for call in calls if not call.get(semconv.DSPY_LM_CACHE_HIT)]
    embedded = sum(call.get("gen_ai.operation.name") == "embeddings" for call in calls)
    priced = any(semconv.DSPY_LM_COST in call for call in calls)
    return {
        "lm_calls": len(calls) - embedded,
        **({"embedding_calls": embedded} if embedded else {}),
        "cache_hits": len(calls) - len(sent),
        "input_tokens": sum(call.get("gen_ai.usage.input_tokens", 0) for call in sent),
        "output_tokens": sum(call.get("gen_ai.usage.output_tokens", 0) for call in sent),
        **({"cost": sum(call.get(semconv.DSPY_LM_COST, 0.0) for call in sent)} if priced or not calls else {}),
    }


def _same(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-12)


def payload_violations(tree: Tree, span: ReadableSpan, kind: Span) -> Iterator[str]:
    """Every reference to a payload is met by all of its pieces, which give the text that the reference names."""
    del kind
    pieces: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for piece in tree.pieces_of(span):
        pieces[attributes_of(piece)[semconv.DSPY_PAYLOAD_ATTRIBUTE]].append(attributes_of(piece))
    for name, found in pieces.items():
        try:
            reference = json.loads(attributes_of(span)[name])
            ordered = sorted(found, key=lambda piece: piece[semconv.DSPY_PAYLOAD_INDEX])
            text = gzip.decompress(base64.b64decode("".join(piece[semconv.DSPY_PAYLOAD_DATA] for piece in ordered)))
        except (KeyError, ValueError, TypeError, OSError, EOFError) as error:
            yield f"the pieces of {name} cannot be joined: {error!r}"
            continue
        if hashlib.sha256(text).hexdigest() != reference["$payload"] or len(text) != reference["bytes"]:
            yield f"the pieces of {name} are not the text that it refers to"
    for name, value in attributes_of(span).items():
        if isinstance(value, str) and value.startswith('{"$payload"') and name not in pieces:
            yield f"{name} refers to pieces that were never sent"


def state_violations(tree: Tree, span: ReadableSpan, kind: Span, opted_in: frozenset[str]) -> Iterator[str]:
    """In a compile, each program id goes out with its state once, and with program capture on not less than once."""
    if not _is(kind, "compile"):
        return
    own = attributes_of(span)[semconv.DSPY_COMPILE_ID]
    named: set[str] = set()
    sent: Counter[str] = Counter()
    for other, other_kind in tree.kinds:
        if _is(other_kind, "setup", "trial", "compile") and attributes_of(other).get(semconv.DSPY_COMPILE_ID) == own:
            program = attributes_of(other).get(semconv.DSPY_PROGRAM_ID)
            if program is not None:
                named.add(program)
                sent[program] += semconv.DSPY_PROGRAM_STATE in attributes_of(other)
    for program in sorted(named):
        if sent[program] > 1 or (sent[program] == 0 and OPTED_IN_PROGRAMS in opted_in):
            yield f"the state of program {program} went out {sent[program]} times"


def _is(kind: Span | None, *operations: str) -> bool:
    return kind is not None and kind.id in _ids(operations)


@cache
def _ids(operations: tuple[str, ...]) -> frozenset[str]:
    return frozenset(_OURS + operation for operation in operations)
