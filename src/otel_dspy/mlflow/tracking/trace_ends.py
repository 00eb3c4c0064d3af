"""How a trace ended, noted so that several writers of its head end with the same.

Whoever writes a trace's head writes its state, its times and its name: a writer that knows of no end puts the end of
another one back. Metadata MLflow adds and never takes away. So the end stands there too, in the same request, and who
may have overwritten something of greater weight looks for it afterwards, and writes what it finds.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.mlflow.mapping.operations import LogTrace, TraceState

PREFIX: Final = "otel_dspy.end."
"""Metadata of a trace: this and the id of a root. Processes that share a trace have a root each."""


@dataclass(frozen=True, slots=True)
class TraceEnd:
    """The end of a trace, or of what one process has of it.

    Attributes:
        root_id: id of the root span.
        remote: the root's own parent is in another process.
        start_ms: milliseconds since the epoch.
        duration_ms: milliseconds.
        state: how it ended.
        name: what the trace is called; None if that is not told.
    """

    root_id: str
    remote: bool
    start_ms: int
    duration_ms: int | None
    state: TraceState
    name: str | None

    @property
    def weight(self) -> tuple[bool, int, str]:
        """Of several, the smallest tells what the whole trace is."""
        return (self.remote, self.start_ms, self.root_id)

    @property
    def metadata(self) -> dict[str, str]:
        """What is noted of it."""
        return {f"{PREFIX}{self.root_id}": json.dumps(asdict(self))}

    def told_by(self, head: LogTrace) -> LogTrace:
        """The head with this end."""
        return replace(
            head,
            root_id=self.root_id,
            remote=self.remote,
            start_ms=self.start_ms,
            duration_ms=self.duration_ms,
            state=self.state,
            name=self.name,
        )


def end_of(head: LogTrace) -> TraceEnd | None:
    """The end that a head tells; None if it tells none."""
    if head.state is None or head.root_id is None:
        return None
    return TraceEnd(head.root_id, head.remote, head.start_ms, head.duration_ms, head.state, head.name)


def noted_end(metadata: Mapping[str, str]) -> TraceEnd | None:
    """The end that counts among those noted on a trace."""
    found = [
        TraceEnd(**cast("dict[str, Any]", json.loads(text)))
        for name, text in metadata.items()
        if name.startswith(PREFIX)
    ]
    return min(found, key=lambda end: end.weight, default=None)
