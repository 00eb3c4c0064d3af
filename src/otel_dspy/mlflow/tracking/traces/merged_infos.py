"""Merge of two infos of one trace, received in any order."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from otel_dspy.mlflow.tracking.store.traces.trace_ends import end_of

if TYPE_CHECKING:
    from otel_dspy.mlflow.mapping.trace_operations import LogTrace


def merged(before: LogTrace, now: LogTrace) -> LogTrace:
    """Merge two infos of one trace: the later values win where set, the earlier start wins.

    One with the trace's end counts as the later, whenever it was received, and its start wins. Of two ends the one that
    takes precedence wins.
    """
    ends = end_of(before), end_of(now)
    if ends[0] is not None and (ends[1] is None or ends[0].weight < ends[1].weight):
        before, now = now, before
    return replace(
        now,
        run=now.run or before.run,
        root_id=now.root_id or before.root_id,
        early=now.early or before.early,
        start_ms=now.start_ms if now.state is not None else min(before.start_ms, now.start_ms),
        name=now.name or before.name,
        state=now.state or before.state,
        duration_ms=now.duration_ms if now.duration_ms is not None else before.duration_ms,
        request=now.request if now.request is not None else before.request,
        response=now.response if now.response is not None else before.response,
        tags={**before.tags, **now.tags},
        metadata={**before.metadata, **now.metadata},
        client_request_id=now.client_request_id or before.client_request_id,
        assessments=before.assessments + now.assessments,
        expectations=before.expectations + now.expectations,
        users_assessments=before.users_assessments + now.users_assessments,
    )
