"""In-memory recorder of spans, log events and metrics with sequential ids, and their trees as text.

with recording() as recorder:
    ...
assert recorder.tree("compile") == snapshot()
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from unittest import mock

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.id_generator import IdGenerator

from otel_dspy import DSPyInstrumentor
from tests.conformance import everywhere
from tests.support.telemetry_capture import TelemetryCapture

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

Keep = Callable[[ReadableSpan, Mapping[str, Any]], Mapping[str, Any]]


class CountingIds(IdGenerator):
    """Trace and span ids 1, 2, 3, … so that a run repeats exactly."""

    def __init__(self) -> None:
        self._traces = itertools.count(1)
        self._spans = itertools.count(1)

    def generate_trace_id(self) -> int:
        """The next trace id."""
        return next(self._traces)

    def generate_span_id(self) -> int:
        """The next span id."""
        return next(self._spans)


@dataclass
class Recorder:
    """What was emitted while DSPy was instrumented."""

    capture: TelemetryCapture

    @property
    def spans(self) -> Sequence[ReadableSpan]:
        """The finished spans in order of their end."""
        return self.capture.spans

    def named(self, prefix: str) -> list[ReadableSpan]:
        """The finished spans whose name begins with `prefix`, in order of their start."""
        return sorted((s for s in self.spans if s.name.startswith(prefix)), key=lambda s: (s.start_time, _id(s)))

    def attributes_of(self, prefix: str) -> list[dict[str, Any]]:
        """The attributes of those spans, without the leading `dspy.`."""
        return [
            {name.removeprefix("dspy."): value for name, value in (span.attributes or {}).items()}
            for span in self.named(prefix)
        ]

    def events(self) -> list[tuple[str | None, Mapping[str, Any]]]:
        """The log events in order: (name, attributes)."""
        return [(log.log_record.event_name, dict(log.log_record.attributes or {})) for log in self.capture.events]

    def metrics(self) -> dict[str, list[tuple[Mapping[str, Any], Any]]]:
        """Every metric's points: name -> [(attributes, value of a sum or gauge, count of a histogram)]."""
        data = self.capture.metrics()
        points: dict[str, list[tuple[Mapping[str, Any], Any]]] = defaultdict(list)
        for resource in data.resource_metrics if data is not None else ():
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    for point in metric.data.data_points:
                        value = getattr(point, "value", None)
                        count = getattr(point, "count", None)
                        attributes: Mapping[str, Any] = dict(point.attributes or {})
                        points[metric.name].append((attributes, count if value is None else value))
        return dict(points)

    def tree(self, root: str, *attributes: str) -> list[str]:
        """The trees under the roots whose name begins with `root`, a line a span, children in order of their start.

        Args:
            root: prefix of the roots' names.
            attributes: prefixes of the attributes that are shown, without the leading `dspy.`.
        """
        return list(_lines(self.spans, root, attributes))

    def control(self, root: str, *attributes: str) -> list[str]:
        """The same without examples and calls: what an optimizer does, and not how its programs do it."""
        return [line for line in self.tree(root, *attributes) if line.split()[0] not in {"example", "module", "chat"}]


def _id(span: ReadableSpan) -> int:
    return span.get_span_context().span_id  # pyright: ignore[reportOptionalMemberAccess] - a finished span has one


def _lines(spans: Iterable[ReadableSpan], root: str, attributes: Sequence[str]) -> Iterable[str]:
    children: dict[int | None, list[ReadableSpan]] = defaultdict(list)
    for span in spans:
        children[span.parent.span_id if span.parent is not None else None].append(span)

    def walk(span: ReadableSpan, depth: int) -> Iterable[str]:
        yield "  " * depth + _line(span, attributes)
        for child in sorted(children[_id(span)], key=_id):
            yield from walk(child, depth + 1)

    for top in sorted(children[None], key=_id):
        if top.name.startswith(root):
            yield from walk(top, 0)


def _line(span: ReadableSpan, attributes: Sequence[str]) -> str:
    shown = (
        {
            name.removeprefix("dspy."): value
            for name, value in sorted((span.attributes or {}).items())
            if name.removeprefix("dspy.").startswith(tuple(attributes))
        }
        if attributes
        else {}
    )
    words = [span.name, *(f"{name}={value}" for name, value in shown.items())]
    if not span.status.is_ok:
        words.append(f"ERROR({span.status.description or ''})")
    return " ".join(words)


@contextmanager
def recording(**settings: Any) -> Generator[Recorder]:
    """Instrument DSPy with these settings while the block runs, and collect what it emits.

    Compile ids are `c1`, `c2`, … in order. Whatever breaks the contract of `semconv/` fails the test at its end, or here
    where no test listens.
    """
    recorder = Recorder(TelemetryCapture(id_generator=CountingIds()))
    # No generator: two threads cannot run one at the same time.
    compile_ids = map("c{}".format, itertools.count(1))
    instrumentor = DSPyInstrumentor()
    with mock.patch("otel_dspy.telemetry.spans.compile.new_compile_id", side_effect=compile_ids):
        instrumentor.instrument(**recorder.capture.providers, **settings)
        observed = everywhere.is_observed(instrumentor)
        try:
            yield recorder
        finally:
            instrumentor.uninstrument()
    if observed:
        return
    kinds = {"content": "capture_content", "programs": "capture_programs", "datasets": "capture_datasets"}
    content = settings.get("capture_content", False)
    opted_in = {kind for kind, name in kinds.items() if settings.get(name, content)}
    opted_in.add(settings.get("extra_conventions", ""))
    found = recorder.capture.violations(opted_in=frozenset(opted_in))
    assert not found, "\n".join(["breaks the contract of semconv/:", *found])
