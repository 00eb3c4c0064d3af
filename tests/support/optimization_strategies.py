"""Hypothesis strategies for whole optimizations as spans of the contract, with the traces that they are logged in."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from otel_dspy.mlflow.records.route import RootKind, TraceContext
from otel_dspy.mlflow.records.span import SpanRecord

if TYPE_CHECKING:
    from otel_dspy.mlflow.records.span import AttributeValue

SpanInTrace = tuple[SpanRecord, TraceContext]
"""A span and the trace that it is logged in."""

_STATES: Final = {f"{number:016x}": json.dumps({"self": {"demos": [number]}}) for number in range(3)}
_USAGE: Final = ("input_tokens", "output_tokens", "lm_calls", "cache_hits")


@dataclass
class Writer:
    """Writes the spans down in the order of their ends."""

    draw: st.DrawFn
    recorded: list[SpanInTrace] = field(default_factory=list[SpanInTrace])
    spans: int = 0
    compiles: int = 0
    clock: int = 1_000

    def span(self, context: TraceContext | None, name: str, parent: str | None, **facts: AttributeValue) -> str:
        """One span of a millisecond or more, ended now; its id. Without a context it is a root, an example."""
        self.spans += 1
        self.clock += self.draw(st.integers(1, 5))
        span_id = str(facts.pop("span_id", f"{self.spans:016x}"))
        error = facts.get("error.type")
        if context is None:
            trial = facts.get("dspy.trial.index")
            context = TraceContext(
                trace_id=f"{self.spans:032x}", root_id=span_id, kind=RootKind.EXAMPLE,
                compile_id=str(facts["dspy.compile.id"]), trial=trial if isinstance(trial, int) else None,
            )  # fmt: skip
        operation = name.split(" ", 1)[0]
        record = SpanRecord(
            trace_id=context.trace_id, span_id=span_id, parent_id=parent, name=name, kind="INTERNAL",
            start_ns=(self.clock - 1) * 1_000_000, end_ns=self.clock * 1_000_000, error=error is not None,
            message="broken" if error else None, attributes={"dspy.operation.name": operation, **facts},
        )  # fmt: skip
        self.recorded.append((record, context))
        return span_id

    def usage(self, prefix: str = "dspy.usage.") -> dict[str, AttributeValue]:
        """A roll-up."""
        counts: dict[str, AttributeValue] = {prefix + name: self.draw(st.integers(0, 9)) for name in _USAGE}
        return counts | {prefix + "cost": 0.25}

    def program(self, sent: set[str]) -> dict[str, AttributeValue]:
        """A program's id, with its state the first time that the compile names it."""
        program_id = self.draw(st.sampled_from(sorted(_STATES)))
        state = {} if program_id in sent else {"dspy.program.state": _STATES[program_id]}
        sent.add(program_id)
        return {"dspy.program.id": program_id, **state}

    def compile(self, around: TraceContext | None, above: str | None, outer: dict[str, Any], depth: int) -> None:
        """A compile with its setup, datasets, trials and what is nested in them."""
        self.compiles += 1
        compile_id = f"{self.compiles:032x}"
        own = f"{0xC0000 + self.compiles:016x}"
        context = around or TraceContext(
            trace_id=f"{0xC0000 + self.compiles:032x}", root_id=own, kind=RootKind.COMPILE, compile_id=compile_id
        )
        of_compile: dict[str, AttributeValue] = {"dspy.compile.id": compile_id}
        identity = of_compile | outer | {"dspy.optimizer.name": "Any", "dspy.program.name": "P"}
        parameters: dict[str, AttributeValue] = {"dspy.optimizer.parameter.k": self.draw(st.integers(1, 3))}
        sent: set[str] = set()
        setup = f"{0x50000 + self.compiles:016x}"
        for role in self.draw(st.sampled_from([[], ["train"], ["train", "validation"]])):
            self.span(
                context, f"dataset {role}", setup, **of_compile,
                **{"dspy.dataset.role": role, "dspy.dataset.id": "d", "dspy.dataset.name": "trainset",
                   "dspy.dataset.rows": '[{"q": 1}]'},
            )  # fmt: skip
        self.span(context, "setup Any", own, span_id=setup, **identity, **parameters, **self.program(sent))
        count = self.draw(st.integers(0, 3))
        for index in range(count):
            self._trial(context, of_compile | {"dspy.trial.index": index}, own, sent, depth)
        failed = self.draw(st.booleans())
        ending = {"error.type": "ValueError"} if failed else self.program(sent)
        scores: dict[str, AttributeValue] = {"dspy.compile.trial.count": count, "dspy.compile.best_score": 50.0}
        self.span(
            context, "compile Any", above, span_id=own, **identity, **parameters, **scores, **self.usage(), **ending
        )

    def _trial(
        self, context: TraceContext, place: dict[str, AttributeValue], own: str, sent: set[str], depth: int
    ) -> None:
        compile_id, index = place["dspy.compile.id"], place["dspy.trial.index"]
        trial, evaluate = f"{0x70000 + self.spans:016x}", f"{0x80000 + self.spans:016x}"
        if depth < 1 and self.draw(st.booleans()):
            outer = {"dspy.compile.parent.id": compile_id, "dspy.compile.parent.trial.index": index}
            self.compile(context, trial, outer, depth + 1)
        nested = self.draw(st.booleans())
        for example in range(self.draw(st.integers(0, 2))):
            facts: dict[str, AttributeValue] = {"dspy.example.index": example, "dspy.example.score": 1.0}
            if self.draw(st.booleans()):
                facts["dspy.example.feedback"] = "so so"
            name, parent = "example m", evaluate if nested else None
            root = self.span(context if nested else None, name, parent, **place, **facts, **{"dspy.metric.name": "m"})
            self.span(self.recorded[-1][1], "module Predict", root, **{"dspy.module.type": "Predict"})
        rows = json.dumps([{"index": 0, "score": 1.0}])
        self.span(context, "evaluate m", trial, span_id=evaluate, **place, **{"dspy.evaluate.results": rows})
        score: dict[str, AttributeValue] = {"dspy.trial.score": 50.0} if self.draw(st.booleans()) else {}
        scope: dict[str, AttributeValue] = {"dspy.trial.scope": self.draw(st.sampled_from(["full", "minibatch"]))}
        self.span(
            context, "trial Any", own, span_id=trial, **place, **score, **scope, **self.program(sent), **self.usage(),
            **self.usage("dspy.compile.usage."), **{"dspy.trial.parameter.seed": index, "dspy.trial.state": "complete"},
        )  # fmt: skip


@st.composite
def optimizations(draw: st.DrawFn) -> list[SpanInTrace]:
    """One or two optimizations, in the order in which their spans end."""
    writer = Writer(draw)
    for _ in range(draw(st.integers(1, 2))):
        writer.compile(None, None, {}, 0)
    return writer.recorded
