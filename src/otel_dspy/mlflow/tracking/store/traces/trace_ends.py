"""End of a trace, recorded in metadata so that several writers of its info agree on it.

Writing a trace's info overwrites its state, times and name: a writer without the end would revert another writer's.
MLflow adds metadata and never removes it. So the end is also recorded as metadata in the same request, and a writer
that may have overwritten an end that takes precedence reads it afterwards and writes it again.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.mlflow.mapping.trace_operations import LogTrace, TraceState

PREFIX: Final = "otel_dspy.end."
"""Prefix of a trace's metadata, followed by the id of a root. Processes that share a trace have a root each."""


@dataclass(frozen=True, slots=True)
class TraceEnd:
    """The end of a trace, or of one process' part of it.

    Attributes:
        root_id: id of the root span.
        remote: the root's own parent is in another process.
        start_ms: milliseconds since the epoch.
        duration_ms: milliseconds.
        state: the final state.
        name: the trace's name; None if unknown.
    """

    root_id: str
    remote: bool
    start_ms: int
    duration_ms: int | None
    state: TraceState
    name: str | None

    @property
    def weight(self) -> tuple[bool, int, str]:
        """Sort key: the end with the smallest key takes precedence."""
        return (self.remote, self.start_ms, self.root_id)

    @property
    def metadata(self) -> dict[str, str]:
        """The end as metadata."""
        return {f"{PREFIX}{self.root_id}": json.dumps(asdict(self))}

    def applied_to(self, info: LogTrace) -> LogTrace:
        """Return the trace info with this end."""
        return replace(
            info,
            root_id=self.root_id,
            remote=self.remote,
            start_ms=self.start_ms,
            duration_ms=self.duration_ms,
            state=self.state,
            name=self.name,
        )


def end_of(info: LogTrace) -> TraceEnd | None:
    """Return the end in a trace info; None without one."""
    if info.state is None or info.root_id is None:
        return None
    return TraceEnd(info.root_id, info.remote, info.start_ms, info.duration_ms, info.state, info.name)


def noted_end(metadata: Mapping[str, str]) -> TraceEnd | None:
    """Return the end that takes precedence among those recorded on a trace."""
    found = [
        TraceEnd(**cast("dict[str, Any]", json.loads(text)))
        for name, text in metadata.items()
        if name.startswith(PREFIX)
    ]
    return min(found, key=lambda end: end.weight, default=None)


def reverted_end(metadata: Mapping[str, str], state: str) -> TraceEnd | None:
    """Return the recorded end that takes precedence if the trace has another state.

    Two writers may update an info at the same time. MLflow reads it before it locks the database, and writes what
    differs from that: where a trace was OK, and a writer that knows of no end yet resets it meanwhile, it stays in
    progress (MLflow 3.17 on sqlite, `_start_trace_once`).

    Args:
        metadata: the trace's metadata.
        state: MLflow's name of its state.
    """
    end = noted_end(metadata)
    return end if end is not None and end.state != state else None
