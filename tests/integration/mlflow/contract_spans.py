"""Contract spans without DSPy: a small optimization as the instrumentation would record it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

CALL = {"input_tokens": 10, "output_tokens": 5, "lm_calls": 1, "cache_hits": 0, "cost": 0.001}
"""What one example costs."""
INLINE_LIMIT = 256 * 1024


class CountedIds(IdGenerator):
    """1, 2, 3, ... within a namespace, so that two recordings in one store do not clash."""

    def __init__(self, namespace: int) -> None:
        self._base = namespace << 32
        self._last = 0

    def generate_span_id(self) -> int:
        """The next number."""
        self._last += 1
        return self._base + self._last

    def generate_trace_id(self) -> int:
        """The next number, in the upper half too."""
        self._last += 1
        return (self._base << 32) + self._last


def provider(processor: SpanProcessor, namespace: int = 1) -> TracerProvider:
    """A TracerProvider with predictable ids."""
    made = TracerProvider(id_generator=CountedIds(namespace), shutdown_on_exit=False)
    made.add_span_processor(processor)
    return made


def program_state(instructions: str, padding: int = 0) -> str:
    """A state as DSPy saves it."""
    signature: dict[str, Any] = {"instructions": instructions + "." * padding, "fields": []}
    return json.dumps({"predict": {"demos": [], "signature": signature, "lm": None}})


def program_id(state: str) -> str:
    """Some identity of a state: what matters here is that the same state has the same one."""
    return hashlib.sha256(state.encode()).hexdigest()[:16]


@dataclass
class SpanEmitter:
    """Emits spans of one compile or evaluation."""

    tracer: trace.Tracer
    compile_id: str | None = None
    sent: set[str] = field(default_factory=set[str])
    usage: dict[str, float] = field(default_factory=lambda: dict.fromkeys(CALL, 0.0))
    nested: bool = False
    steps: int = 1
    """Modules that an example calls, one language model call each."""

    @contextmanager
    def compile(  # noqa: PLR0913 - each is a fact of its own
        self,
        optimizer: str = "MIPROv2",
        program: str = "ChainOfThought",
        *,
        parent: str | None = None,
        parent_trial: int | None = None,
        state: str | None = None,
        rows: list[dict[str, Any]] | None = None,
    ) -> Generator[Span]:
        """A compile with its setup and datasets; ended by the caller's block, whatever it raises."""
        identity: dict[str, Any] = {
            "dspy.compile.id": self.compile_id,
            "dspy.optimizer.name": optimizer,
            "dspy.program.name": program,
            "dspy.metric.name": "exact_match",
        }
        if parent:
            identity |= {"dspy.compile.parent.id": parent, "dspy.compile.depth": 1}
        if parent_trial is not None:
            identity["dspy.compile.parent.trial.index"] = parent_trial
        with self.span(f"compile {optimizer}", "compile", **identity) as span:
            with self.span(f"setup {optimizer}", "setup", **identity) as setup:
                setup.set_attributes(
                    {
                        "dspy.optimizer.parameter.max_bootstrapped_demos": 4,
                        "dspy.optimizer.parameter.auto": "light",
                        "dspy.optimizer.parameter.minibatch": True,
                        "dspy.lm.model": "openai/tiny",
                        "dspy.lm.parameter.temperature": 0.5,
                    }
                )
                if state:
                    self.program(setup, state)
                for role, name in (("train", "trainset"), ("validation", "valset")):
                    if rows:
                        self.dataset(role, name, rows)
            yield span

    def dataset(self, role: str, name: str, rows: list[dict[str, Any]]) -> None:
        """A dataset span with its rows."""
        attributes: dict[str, Any] = {"dspy.dataset.role": role}
        if self.compile_id:
            attributes["dspy.compile.id"] = self.compile_id
        with self.span(f"dataset {role}", "dataset", **attributes) as span:
            text = json.dumps(rows)
            span.set_attributes(
                {
                    "dspy.dataset.id": hashlib.sha256(text.encode()).hexdigest()[:16],
                    "dspy.dataset.name": name,
                    "dspy.dataset.size": len(rows),
                    "dspy.dataset.fields": list(rows[0]),
                }
            )
            self.payload(span, "dspy.dataset.rows", text)

    @contextmanager
    def trial(
        self, index: int, *, score: float | None, state: str, scope: str = "full", **more: AttributeValue
    ) -> Generator[Span]:
        """A trial; its facts are set when the block ends."""
        with self.span(
            "trial MIPROv2",
            "trial",
            **{"dspy.compile.id": self.compile_id, "dspy.optimizer.name": "MIPROv2", "dspy.trial.index": index},
        ) as span:
            before = dict(self.usage)
            yield span
            facts: dict[str, Any] = {
                "dspy.trial.kind": "candidate",
                "dspy.trial.state": "complete",
                "dspy.trial.scope": scope,
                "dspy.trial.parameter.0_predictor_instruction": index,
            }
            if score is not None:
                facts |= {"dspy.trial.score": score, "dspy.trial.score.unit": "percent"}
            for name, value in self.usage.items():
                spent = value - before[name]
                facts[f"dspy.usage.{name}"] = spent if name == "cost" else int(spent)
                facts[f"dspy.compile.usage.{name}"] = value if name == "cost" else int(value)
            span.set_attributes(facts | more)
            self.program(span, state)

    @contextmanager
    def evaluate(self, scores: list[float], *, trial: int | None = None, scope: str = "full") -> Generator[Span]:
        """An evaluation with one example a score; `nan` is an example that raised."""
        identity: dict[str, Any] = {"dspy.metric.name": "exact_match", "dspy.program.name": "ChainOfThought"}
        if self.compile_id:
            identity["dspy.compile.id"] = self.compile_id
        if trial is not None:
            identity["dspy.trial.index"] = trial
        with self.span(
            "evaluate exact_match", "evaluate", **identity, **{"dspy.evaluate.num_examples": len(scores)}
        ) as span:
            rows = [self.example(span, identity, index, score) for index, score in enumerate(scores)]
            good = [score for score in scores if score == score]  # noqa: PLR0124 - a nan is not itself
            total = {name: value * len(scores) for name, value in CALL.items()}
            span.set_attributes(
                {
                    "dspy.evaluate.score": 100.0 * sum(good) / len(scores),
                    "dspy.evaluate.num_errors": len(scores) - len(good),
                    "dspy.evaluate.scope": scope,
                    **{f"dspy.usage.{name}": value for name, value in total.items()},
                }
            )
            self.payload(span, "dspy.evaluate.results", json.dumps(rows))
            yield span

    def example(self, evaluation: Span, identity: dict[str, Any], index: int, score: float) -> dict[str, Any]:
        """An example with its module and LM call; returns its result row."""
        failed = score != score  # noqa: PLR0124 - a nan is not itself
        inputs, labels = {"question": f"1 + {index}?"}, {"answer": str(1 + index)}
        prediction = {"answer": "1", "reasoning": "Because."}
        row: dict[str, Any] = {"index": index, "id": f"e{index}", "inputs": inputs, "labels": labels}
        for name, value in CALL.items():
            self.usage[name] += value
        context = None if self.nested else trace.set_span_in_context(trace.INVALID_SPAN)
        links = [] if self.nested else [Link(evaluation.get_span_context())]
        with self.tracer.start_as_current_span(
            "example exact_match",
            context=context,
            links=links,
            attributes={"dspy.operation.name": "example", "dspy.example.index": index, **identity},
        ) as span:
            span.set_attributes(
                {
                    "dspy.example.id": f"e{index}",
                    "dspy.example.inputs": json.dumps(inputs),
                    "dspy.example.labels": json.dumps(labels),
                    **{f"dspy.usage.{name}": value for name, value in CALL.items()},
                }
            )
            for _ in range(self.steps):
                with self.span("module ChainOfThought", "module", **{"dspy.module.type": "ChainOfThought"}) as module:
                    module.set_attribute("dspy.module.input", json.dumps(inputs))
                    self.chat(inputs["question"], "1")
                    module.set_attribute("dspy.module.output", json.dumps(prediction))
            if failed:
                span.set_attribute("error.type", "ValueError")
                span.set_attribute("dspy.example.error.message", "no number")
                span.set_status(Status(StatusCode.ERROR, "no number"))
                return row | {"error": "ValueError", "error_message": "no number", "score": None}
            span.set_attributes(
                {
                    "dspy.example.score": score,
                    "dspy.example.prediction": json.dumps(prediction),
                    "dspy.example.feedback": f"scored {score:g}",
                }
            )
        return row | {"score": score, "prediction": prediction, "feedback": f"scored {score:g}"}

    def chat(self, question: str, answer: str) -> None:
        """An LM call as opentelemetry-util-genai records it."""
        texts = [{"role": "user", "parts": [{"type": "text", "content": question}]}]
        received = [{"role": "assistant", "parts": [{"type": "text", "content": answer}], "finish_reason": "stop"}]
        with self.tracer.start_as_current_span(
            "chat tiny",
            kind=SpanKind.CLIENT,
            attributes={
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": "tiny",
                "gen_ai.response.model": "tiny-1",
                "gen_ai.provider.name": "openai",
                "gen_ai.usage.input_tokens": 10,
                "gen_ai.usage.output_tokens": 5,
                "gen_ai.input.messages": json.dumps(texts),
                "gen_ai.output.messages": json.dumps(received),
                "dspy.lm.cost": 0.001,
                "dspy.lm.cache_hit": False,
            },
        ):
            pass

    def program(self, span: Span, state: str) -> None:
        """The program's id and, the first time, its state."""
        found = program_id(state)
        span.set_attribute("dspy.program.id", found)
        if found not in self.sent:
            self.sent.add(found)
            self.payload(span, "dspy.program.state", state)

    def payload(self, span: Span, attribute: str, text: str) -> None:
        """A JSON text: inline, or in pieces."""
        if len(text.encode()) <= INLINE_LIMIT:
            span.set_attribute(attribute, text)
            return
        digest = hashlib.sha256(text.encode()).hexdigest()
        packed = base64.b64encode(gzip.compress(text.encode())).decode()
        half = len(packed) // 2
        for index, data in enumerate((packed[:half], packed[half:])):
            with self.tracer.start_as_current_span(
                "payload",
                context=trace.set_span_in_context(span),
                attributes={
                    "dspy.operation.name": "payload",
                    "dspy.payload.id": digest,
                    "dspy.payload.attribute": attribute,
                    "dspy.payload.index": index,
                    "dspy.payload.count": 2,
                    "dspy.payload.encoding": "gzip+base64",
                    "dspy.payload.data": data,
                },
            ):
                pass
        span.set_attribute(attribute, json.dumps({"$payload": digest, "bytes": len(text.encode())}))

    @contextmanager
    def span(self, name: str, operation: str, **attributes: AttributeValue) -> Generator[Span]:
        """A span with `dspy.operation.name`; an exception is recorded as its error, as in the contract."""
        with self.tracer.start_as_current_span(
            name, attributes={"dspy.operation.name": operation, **attributes}, record_exception=False,
            set_status_on_exception=False,
        ) as span:  # fmt: skip
            try:
                yield span
            except BaseException as error:
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(Status(StatusCode.ERROR, str(error)))
                raise
