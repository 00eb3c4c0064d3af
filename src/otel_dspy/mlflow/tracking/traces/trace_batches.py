"""Batches of spans and trace infos, sized for the tracking store."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.tracking.traces.merged_infos import merged
from otel_dspy.runtime.bounded_dict import BoundedDict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from otel_dspy.mlflow.mapping.trace_operations import LogSpan, LogTrace

MAX_SPANS: Final = 500
"""Maximum spans in a request: 850-1030 spans/s on sqlite at this size, a tenth of that at 5."""
MAX_CHARACTERS: Final = 2_000_000
"""Maximum characters of attributes in a request."""
MAX_CREATED: Final = 10
"""Maximum traces in a request that MLflow has to create first. Where other writers create the same ones meanwhile, it
attempts that ten times, each time with at least one less, and drops the spans of the rest (3.17, `_log_spans_once`).
"""
MAX_TRACES: Final = 100
"""Number of trace infos after which a batch is sent."""
MAX_REMEMBERED: Final = 1024
"""Maximum number of trace infos that are kept after they were sent, for later updates."""
MAX_STARTED: Final = 10_000
"""Maximum number of remembered traces whose info has not been received."""
MAX_WRITTEN: Final = 1_000
"""Number of written traces after which `written` should be called."""
POSTPONED: Final = 8
"""Number of full requests that may be queued while more urgent operations are sent first."""


@dataclass(frozen=True, slots=True)
class WrittenTrace:
    """What was sent of a trace.

    Attributes:
        trace_id: 32 hex digits.
        info: the last trace info that was sent; None if none was, or it is no longer kept.
        has_spans: whether spans were sent.
    """

    trace_id: str
    info: LogTrace | None
    has_spans: bool


class TraceBatch:
    """Queued trace infos, merged by trace, and spans."""

    def __init__(self) -> None:
        self.spans: list[LogSpan] = []
        self.infos: dict[str, LogTrace] = {}
        self.tags: dict[str, Mapping[str, str]] = {}
        """Tags of traces whose info has been sent, by trace."""
        self._sent: BoundedDict[str, LogTrace] = BoundedDict(MAX_REMEMBERED)
        self._started: BoundedDict[str, None] = BoundedDict(MAX_STARTED)
        self._counted: BoundedDict[str, None] = BoundedDict(MAX_STARTED)
        """Traces with an info for which MLflow has summed the tokens of one request, so that it ignores later ones."""
        self._uncounted: BoundedDict[str, None] = BoundedDict(MAX_STARTED)
        """Traces for which MLflow may have ignored tokens."""
        self._written: dict[str, bool] = {}
        """Traces of which an end or spans were sent since `written`, each with whether spans were."""
        self._characters = 0
        self._sizes: dict[int, int] = {}
        """Characters of the queued spans, by the ids of their objects."""

    def add_span(self, span: LogSpan) -> None:
        """Queue a span."""
        size = self._sizes[id(span)] = _characters(span)
        self.spans.append(span)
        self._characters += size

    def add_info(self, info: LogTrace) -> None:
        """Queue a trace info, merged with earlier ones of its trace and with queued tags."""
        if (tags := self.tags.pop(info.trace_id, None)) is not None:
            info = replace(info, tags={**tags, **info.tags})
        before = self.infos.get(info.trace_id) or self._sent.get(info.trace_id)
        self.infos[info.trace_id] = merged(before, info) if before else info

    def add_tags(self, trace_id: str, tags: Mapping[str, str]) -> None:
        """Queue tags of a trace: with its info if that is queued, else for a request of their own."""
        info = self.infos.get(trace_id)
        if info is None:
            self.tags[trace_id] = {**self.tags.get(trace_id, {}), **tags}
            if (sent := self._sent.get(trace_id)) is not None:
                self._sent[trace_id] = replace(sent, tags={**sent.tags, **tags})
        else:
            self.infos[trace_id] = replace(info, tags={**info.tags, **tags})

    def tags_sent(self, trace_id: str) -> None:
        """Record that the tags of a trace were sent."""
        del self.tags[trace_id]

    @property
    def overfull(self) -> bool:
        """Whether sending must not be postponed."""
        return self.holds(POSTPONED)

    def holds(self, requests: int) -> bool:
        """Whether the batch should be sent.

        Args:
            requests: number of requests with spans that it may fill.
        """
        return (
            len(self.spans) >= requests * MAX_SPANS
            or len(self.infos) + len(self.tags) >= requests * MAX_TRACES
            or self._characters >= requests * MAX_CHARACTERS
        )

    @property
    def empty(self) -> bool:
        """Whether nothing is queued."""
        return not self.spans and not self.infos and not self.tags

    def new_and_started(self) -> tuple[list[LogTrace], list[LogTrace]]:
        """Return the infos of new traces, and of those whose spans were sent before their info."""
        new = [info for info in self.infos.values() if info.trace_id not in self._started]
        return new, [info for info in self.infos.values() if info.trace_id in self._started]

    def is_new(self, info: LogTrace) -> bool:
        """Whether neither an info nor spans of the trace were sent before, as far as that is remembered."""
        return not self.has_sent(info.trace_id)

    def has_sent(self, trace_id: str) -> bool:
        """Whether an info or spans of the trace were sent before, as far as that is remembered."""
        return trace_id in self._started or trace_id in self._sent

    def info_sent(self, info: LogTrace) -> None:
        """Record that the trace info was sent."""
        del self.infos[info.trace_id]
        if info.trace_id in self._started:
            del self._started[info.trace_id]
            self._counted[info.trace_id] = None
        if info.early:
            self._uncounted[info.trace_id] = None
        if info.state is not None:
            self._written.setdefault(info.trace_id, False)
        # Assessments have their own ids and are never reverted: only new ones have to be sent again.
        self._sent[info.trace_id] = replace(info, assessments=(), expectations=(), users_assessments=())

    def requests(self, most: int | None = None) -> list[list[LogSpan]]:
        """Return the spans, oldest trace first, in lists that fit in one request each.

        A trace is divided only where it exceeds a request: MLflow sums the tokens of a trace's first request alone, and
        requests with spans of one trace cannot be sent at the same time. Traces of several services are in requests of
        their own: MLflow's client sends the resource of the first span for all of a request.

        Args:
            most: maximum number of spans in a request, if less than `MAX_SPANS`.
        """
        most = min(most or MAX_SPANS, MAX_SPANS)
        traces: dict[str, list[LogSpan]] = {}
        for span in self.spans:
            traces.setdefault(span.trace_id, []).append(span)
        found: list[list[LogSpan]] = []
        created = characters = 0
        for trace_id, spans in _by_resource(traces):
            new, size = not self._exists(trace_id), sum(self._sizes[id(span)] for span in spans)
            created, characters = created + new, characters + size
            other = bool(found) and spans[0].span.resource != found[-1][0].span.resource
            full = other or characters > MAX_CHARACTERS or created > MAX_CREATED
            if found and not full and len(found[-1]) + len(spans) <= most:
                found[-1] += spans
            else:
                found += _divided(spans, most)
                created, characters = int(new), sum(map(_characters, found[-1]))
        return found

    def _exists(self, trace_id: str) -> bool:
        """Whether MLflow has the trace before its queued spans are sent, as far as that is remembered."""
        return trace_id in self.infos or trace_id in self._sent or trace_id in self._started

    def spans_sent(self, spans: list[LogSpan]) -> None:
        """Record that spans of one of `requests` were sent."""
        for span in spans:
            self._characters -= self._sizes.pop(id(span))
        for trace_id in {span.trace_id for span in spans}:
            self._written[trace_id] = True
            if trace_id not in self._sent:
                self._started[trace_id] = None
            elif trace_id in self._counted:
                self._uncounted[trace_id] = None
            else:
                self._counted[trace_id] = None
        sent = set(map(id, spans))
        self.spans = [span for span in self.spans if id(span) not in sent]

    def uncounted(self) -> list[LogTrace]:
        """Return the infos of ended traces whose sums in MLflow may be wrong."""
        sent = (self._sent.get(trace_id) for trace_id in self._uncounted)
        return [info for info in sent if info is not None and info.state is not None]

    @property
    def many_written(self) -> bool:
        """Whether `written` would return many traces."""
        return len(self._written) >= MAX_WRITTEN

    def written(self) -> list[WrittenTrace]:
        """Return the traces of which an end or spans were sent since the last call."""
        found = [WrittenTrace(trace_id, self._sent.get(trace_id), spans) for trace_id, spans in self._written.items()]
        self._written.clear()
        return found

    def sums_known(self, trace_id: str) -> None:
        """Record that MLflow has summed all that it had of the trace: `written` and `uncounted` need not return it."""
        self._written.pop(trace_id, None)
        self._uncounted.pop(trace_id, None)

    def sums_sent(self, info: LogTrace) -> None:
        """Record that the sums of the trace are correct."""
        self._uncounted.pop(info.trace_id, None)


def _characters(span: LogSpan) -> int:
    return sum(len(value) for value in span.attributes.values() if isinstance(value, str))


def _by_resource(traces: Mapping[str, list[LogSpan]]) -> Iterator[tuple[str, list[LogSpan]]]:
    """Yield the traces, those of one resource after another."""
    left = dict(traces)
    while left:
        resource = next(iter(left.values()))[0].span.resource
        for trace_id in [trace_id for trace_id, spans in left.items() if spans[0].span.resource == resource]:
            yield trace_id, left.pop(trace_id)


def _divided(spans: Sequence[LogSpan], most: int) -> list[list[LogSpan]]:
    """Return the spans of a trace in lists of at most `most` spans and `MAX_CHARACTERS`, one span at least."""
    found: list[list[LogSpan]] = []
    characters = 0
    for span in spans:
        characters += _characters(span)
        if not found or len(found[-1]) >= most or characters > MAX_CHARACTERS:
            found.append([])
            characters = _characters(span)
        found[-1].append(span)
    return found
