"""A small optimization written down by hand as the contract wants it, so that tests can break it in one place."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.trace import Link, SpanKind, Status, StatusCode, set_span_in_context

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.trace import Span, Tracer

COMPILE_ID: Final = "c" * 32
TEXT: Final = json.dumps({"demos": ["one", "two"]}).encode()
_DIGEST: Final = hashlib.sha256(TEXT).hexdigest()
_ZIPPED: Final = base64.b64encode(gzip.compress(TEXT, mtime=0)).decode()
_HALF: Final = len(_ZIPPED) // 2


@dataclass
class Node:
    """A span to be emitted, with the spans below it."""

    name: str
    attributes: dict[str, Any]
    below: list[Node] = field(default_factory=list["Node"])
    kind: SpanKind = SpanKind.INTERNAL
    linked: bool = False
    """A root of its own that links to the span above instead of standing in its trace."""
    failed: bool = False

    def find(self, name: str) -> Node:
        """The first span of that name at or below this one; raises KeyError."""
        if self.name == name:
            return self
        for node in self.below:
            try:
                return node.find(name)
            except KeyError:
                continue
        raise KeyError(name)


SPENT: Final[Mapping[str, float]] = {
    "input_tokens": 10,
    "output_tokens": 3,
    "lm_calls": 2,
    "cache_hits": 1,
    "cost": 0.5,
}
"""What the two calls of the scene sum up to."""


def spent(prefix: str = "dspy.usage") -> dict[str, Any]:
    """The roll-up of the scene's calls under `prefix`."""
    return {f"{prefix}.{name}": value for name, value in SPENT.items()}


def optimization() -> Node:
    """One compile: one trial, one evaluation of one example, in which one call was sent and one came from a cache."""
    of_compile = {"dspy.compile.id": COMPILE_ID}
    of_optimizer = of_compile | {
        "dspy.optimizer.name": "COPRO",
        "dspy.program.name": "Predict",
        "dspy.metric.name": "m",
    }
    calls = [
        Node(
            "chat gpt",
            {
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": "gpt",
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.usage.output_tokens": 3,
                "gen_ai.output.messages": "[]",
                "dspy.lm.cache_hit": hit,
                "dspy.lm.cost": 0.0 if hit else 0.5,
            },
            kind=SpanKind.CLIENT,
        )
        for hit in (False, True)
    ]
    example = Node(
        "example m",
        {
            "dspy.operation.name": "example",
            "dspy.metric.name": "m",
            "dspy.program.name": "Predict",
            "dspy.trial.index": 0,
            "dspy.example.index": 0,
            "dspy.example.score": 1.0,
            "dspy.example.inputs": "{}",
        }
        | of_compile
        | spent(),
        [Node("module Predict", {"dspy.operation.name": "module", "dspy.module.type": "Predict"}, calls)],
        linked=True,
    )
    evaluate = Node(
        "evaluate m",
        {
            "dspy.operation.name": "evaluate",
            "dspy.metric.name": "m",
            "dspy.program.name": "Predict",
            "dspy.evaluate.num_examples": 1,
            "dspy.evaluate.num_errors": 0,
            "dspy.evaluate.score": 100.0,
            "dspy.trial.index": 0,
        }
        | of_compile
        | spent(),
        [example],
    )
    trial = Node(
        "trial COPRO",
        {
            "dspy.operation.name": "trial",
            "dspy.trial.index": 0,
            "dspy.trial.kind": "candidate",
            "dspy.trial.state": "complete",
            "dspy.trial.score": 100.0,
            "dspy.trial.score.unit": "percent",
            "dspy.program.id": "a" * 16,
        }
        | {name: value for name, value in of_optimizer.items() if name in {"dspy.compile.id", "dspy.optimizer.name"}}
        | spent()
        | spent("dspy.compile.usage"),
        [evaluate],
    )
    setup = Node(
        "setup COPRO",
        of_optimizer
        | {
            "dspy.operation.name": "setup",
            "dspy.optimizer.parameter.breadth": 3,
            "dspy.program.id": "a" * 16,
            "dspy.program.state": json.dumps({"$payload": _DIGEST, "bytes": len(TEXT)}),
        },
        [piece(0, _ZIPPED[:_HALF]), piece(1, _ZIPPED[_HALF:])],
    )
    return Node(
        "compile COPRO",
        of_optimizer | {"dspy.operation.name": "compile", "dspy.compile.trial.count": 1} | spent(),
        [setup, trial],
    )


def piece(index: int, data: str) -> Node:
    """One of the two pieces of the program's state."""
    return Node(
        "payload",
        {
            "dspy.operation.name": "payload",
            "dspy.payload.id": _DIGEST,
            "dspy.payload.attribute": "dspy.program.state",
            "dspy.payload.index": index,
            "dspy.payload.count": 2,
            "dspy.payload.encoding": "gzip+base64",
            "dspy.payload.data": data,
        },
    )


def emit(tracer: Tracer, nodes: Sequence[Node], above: Span | None = None) -> None:
    """Emit the spans, those below before those above end."""
    for node in nodes:
        span = tracer.start_span(
            node.name,
            context=set_span_in_context(above) if above is not None and not node.linked else None,
            kind=node.kind,
            links=[Link(above.get_span_context())] if above is not None and node.linked else [],
            attributes=node.attributes,
        )
        emit(tracer, node.below, span)
        if node.failed:
            span.set_status(Status(StatusCode.ERROR))
        span.end()
