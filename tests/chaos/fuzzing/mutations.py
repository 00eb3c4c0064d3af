"""Mutated OTLP requests: bytes changed blindly, and good spans among spans with one thing wrong."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.chaos.fuzzing.corpus import NAMES
from tests.support.otlp_json import as_json

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

INTEGERS: Final = (-1, 0, 1, 2, 255, 2**31 - 1, 2**31, 10**9, 2**53, 2**63 - 1, -(2**63))
TIMES: Final = (0, 1, 2**63 - 1, 2**63, 2**64 - 1)
DOUBLES: Final = (0.0, -0.0, 1e308, -1e308, 5e-324, float("nan"), float("inf"), float("-inf"))
TEXTS: Final = (
    "", " ", "\x00", "a\x00b", "\x1b[2J", "../../etc/passwd", "' OR 1=1 --", "🜚" * 50, "x" * 20_000, "\u202e",
    "{}", "[]", "[[]]", "null", "NaN", '{"a":' * 50, "[" * 2_000, '"', '{"$payload": 1}', '{"$payload": "x", "bytes": 1}',
    "compile", "setup", "trial", "evaluate", "example", "dataset", "phase", "payload", "gzip+base64", "H4sIAAAAAAAC/w==",
)  # fmt: skip
ODD_JSON: Final[Sequence[Any]] = (
    None,
    [],
    {},
    "",
    "x",
    "7",
    -1,
    0,
    1,
    2**70,
    1e300,
    True,
    [[]],
    [None],
    {"a": None},
    "\ud800",
    "🜚",
)
BLIND: Final = 0.6
"""Share of requests with changed bytes; the others have good spans that have to be kept."""
JSON: Final = 0.2
"""Share of requests in JSON, which take five times as long to read."""
STOP: Final = 0.3
"""How probably JSON is broken at a level rather than below it."""
DEEPEST: Final = 40
"""Lists in lists: protobuf stops at 100 messages in one another, and finds the request malformed then."""


@dataclass(frozen=True)
class Case:
    """A mutated request.

    Attributes:
        body: what is sent.
        json: whether as JSON.
        kept: ids (trace and span, hex) of good spans in it: they must be read whatever stands beside them.
    """

    body: bytes
    json: bool
    kept: frozenset[tuple[str, str]] = frozenset()


def cases(corpus: Sequence[ExportTraceServiceRequest], chance: random.Random) -> Callable[[], Case]:
    """A source of cases: the same ones for the same corpus and the same seed of `chance`."""
    encoded = [[request.SerializeToString(), as_json(request)] for request in corpus]

    def case() -> Case:
        number = chance.randrange(len(corpus))
        if chance.random() < BLIND:
            as_json = chance.random() < JSON
            other = encoded[chance.randrange(len(encoded))][as_json]
            return Case(_damaged(encoded[number][as_json], other, chance), as_json)
        return _mixed(corpus[number], corpus[chance.randrange(len(corpus))], chance)

    return case


def _damaged(body: bytes, other: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, removed, doubled or taken from another request."""
    found = bytearray(body)
    for _ in range(chance.choice((1, 1, 1, 2, 4, 16))):
        at = chance.randrange(len(found) + 1)
        end = min(len(found), at + chance.choice((1, 1, 2, 8, 64, 512)))
        match chance.randrange(6):
            case 0:
                found[at:end] = chance.randbytes(end - at)
            case 1:
                del found[at:end]
            case 2:
                found[at:at] = found[at:end]
            case 3:
                start = chance.randrange(len(other) + 1)
                found[at:end] = other[start : start + (end - at)]
            case 4:
                found[at : at + 1] = bytes([chance.choice((0, 1, 0x7F, 0x80, 0xFF, 0x0A, 0x12))])
            case _:
                del found[at:]
    return bytes(found)


def _mixed(good: ExportTraceServiceRequest, other: ExportTraceServiceRequest, chance: random.Random) -> Case:
    """A whole request with damaged spans of another one put between its own."""
    request = ExportTraceServiceRequest()
    request.CopyFrom(good)
    kept = frozenset((span.trace_id.hex(), span.span_id.hex()) for span in _spans(good))
    into = [scope.spans for group in request.resource_spans for scope in group.scope_spans]
    bad = list(_spans(other))
    chosen = [_broken(span, chance) for span in chance.sample(bad, min(len(bad), chance.randrange(1, 4)))]
    for span in chosen:
        spans = chance.choice(into)
        at = chance.randrange(len(spans) + 1)
        spans.insert(at, span)
    if chance.random() >= JSON:
        return Case(request.SerializeToString(), json=False, kept=kept)
    found = json.loads(as_json(request))
    for group in found["resourceSpans"]:
        for scope in group["scopeSpans"]:
            for span in scope["spans"]:
                if (span.get("traceId"), span.get("spanId")) not in kept:
                    _break_json(span, chance)
    left = {
        (span.get("traceId"), span.get("spanId"))
        for group in found["resourceSpans"]
        for scope in group["scopeSpans"]
        for span in scope["spans"]
        if not span.get("broken")
    }
    return Case(json.dumps(found).encode(), json=True, kept=frozenset(kept & left))


def _spans(request: ExportTraceServiceRequest) -> list[Span]:
    return [span for group in request.resource_spans for scope in group.scope_spans for span in scope.spans]


def _broken(span: Span, chance: random.Random) -> Span:
    """A copy with some things changed to what is allowed by its type and by nothing else."""
    found = Span()
    found.CopyFrom(span)
    for _ in range(chance.choice((1, 1, 2, 5))):
        match chance.randrange(9):
            case 0:
                name = chance.choice(("trace_id", "span_id", "parent_span_id"))
                setattr(found, name, chance.randbytes(chance.choice((0, 1, 7, 8, 16, 17, 300))))
            case 1:
                setattr(found, chance.choice(("start_time_unix_nano", "end_time_unix_nano")), chance.choice(TIMES))
            case 2:
                found.kind = cast("Any", chance.choice((0, 5, 6, 2**31 - 1, -1)))
            case 3:
                found.name = chance.choice(TEXTS)
            case 4:
                found.links.add(trace_id=chance.randbytes(chance.choice((0, 16))), span_id=chance.randbytes(8))
            case 5:
                found.flags = chance.choice((0, 0x100, 0x300, 2**32 - 1))
            case 6:
                found.attributes.append(KeyValue(key=chance.choice(TEXTS), value=_value(chance)))
            case 7 if found.attributes:
                del found.attributes[chance.randrange(len(found.attributes))]
            case _:
                # A later value of the same name is the one that counts.
                names = [entry.key for entry in found.attributes] or [""]
                name = chance.choice((chance.choice(NAMES), chance.choice(names)))
                found.attributes.append(KeyValue(key=name, value=_value(chance)))
    return found


def _value(chance: random.Random, depth: int = 0) -> AnyValue:  # noqa: PLR0911 - a kind each
    match chance.randrange(9):
        case 0:
            return AnyValue()
        case 1:
            return AnyValue(bool_value=chance.random() < 0.5)
        case 2 | 3:
            return AnyValue(int_value=chance.choice(INTEGERS))
        case 4:
            return AnyValue(double_value=chance.choice(DOUBLES))
        case 5:
            return AnyValue(bytes_value=chance.randbytes(chance.choice((0, 1, 100))))
        case 6 if depth < 3:
            values = [_value(chance, depth + 1) for _ in range(chance.randrange(4))]
            found = AnyValue(array_value=ArrayValue(values=values))
            for _ in range(chance.choice((0, 0, 1, DEEPEST)) if depth == 0 else 0):
                found = AnyValue(array_value=ArrayValue(values=[found]))
            return found
        case 7 if depth < 3:
            entries = [KeyValue(key=chance.choice(TEXTS), value=_value(chance, depth + 1)) for _ in range(2)]
            return AnyValue(kvlist_value=KeyValueList(values=entries))
        case _:
            return AnyValue(string_value=chance.choice(TEXTS))


def _break_json(span: dict[str, Any], chance: random.Random) -> None:
    """Put what JSON can hold and protobuf cannot somewhere into the span, and a mark that no parser reads."""
    span["broken"] = True
    place: Any = span
    while True:
        keys = [key for key in _keys(place) if key != "broken"]
        key: Any = chance.choice(keys or ["name"])
        inner = cast("Any", place[key] if keys else None)
        if not isinstance(inner, dict | list) or not inner or chance.random() < STOP:
            place[key] = chance.choice(ODD_JSON)
            return
        place = cast("Any", inner)


def _keys(place: Any) -> list[Any]:
    return list(place) if hasattr(place, "keys") else list(range(len(place)))
