"""A delivery: spans that the writer acknowledges together, and the outcome."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_dspy.bridge.foreign_spans import RoutedSpan
    from otel_dspy.mlflow.records.route import Destination


@dataclass(frozen=True, slots=True)
class Written:
    """Outcome of a delivery.

    Attributes:
        again: whether MLflow failed to store a part, so that the client should retry.
        rejected: number of rejected spans by reason.
        lost: number of operations that MLflow rejected, of this delivery and of those to the same destinations that
            were committed with it.
        failing: destinations of this delivery at which MLflow failed.
        error: type of an unexpected error that interrupted the commit of this delivery or of one committed with it;
            empty if there was none.
        unmapped: (trace id, span id) of spans whose mapping raised; all spans if there was such an error.
        undecided: whether spans of other libraries are buffered in memory until their trace has a span of otel-dspy.
    """

    again: bool = False
    rejected: Counter[str] = field(default_factory=Counter[str])
    lost: int = 0
    failing: frozenset[Destination] = frozenset()
    error: str = ""
    unmapped: frozenset[tuple[str, str]] = frozenset()
    undecided: bool = False


class SpanSource(Protocol):
    """Spans that are parsed on iteration."""

    def __len__(self) -> int:
        """Return the number of spans."""
        ...

    def __iter__(self) -> Iterator[RoutedSpan]:
        """Yield (span, route) pairs."""
        ...


@dataclass(slots=True, eq=False)
class Delivery:
    """Spans that are acknowledged together.

    Attributes:
        spans: (span, route) pairs; iterated once, when the delivery is processed.
        size: approximate size in bytes.
        done: the outcome. A caller may cancel it: a delivery that has not started is then skipped.
    """

    spans: SpanSource
    size: int
    done: Future[Written] = field(default_factory=Future[Written])
