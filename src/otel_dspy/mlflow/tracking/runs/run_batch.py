"""Batch of a run's parameters, metrics and tags, sent in one request."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from otel_dspy.mlflow.mapping.operations import MetricPoint


@dataclass(slots=True)
class RunBatch:
    """Parameters, metrics and tags of a run that have not been sent.

    Attributes:
        due: whether to send them after the current span; else they may be combined with later ones.
    """

    params: dict[str, str] = field(default_factory=dict[str, str])
    points: list[MetricPoint] = field(default_factory=list["MetricPoint"])
    tags: dict[str, str] = field(default_factory=dict[str, str])
    due: bool = False

    def add(
        self,
        *,
        params: Mapping[str, str] | None = None,
        points: Iterable[MetricPoint] = (),
        tags: Mapping[str, str] | None = None,
        due: bool = True,
    ) -> None:
        """Add to the batch; of two values of one tag the later wins.

        Args:
            params: names and values of parameters.
            points: values of metrics.
            tags: names and values of tags.
            due: whether the batch should be sent with the next flush.
        """
        self.params.update(params or {})
        self.points.extend(points)
        self.tags.update(tags or {})
        self.due = self.due or due
