"""Usage accounting for nested LM calls: each token is counted once, in the span of the model that used it."""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Final

from otel_dspy.hooks.lm.call_record import LMCallRecord

if TYPE_CHECKING:
    from collections.abc import Sequence

_NOTHING_KNOWN: Final = LMCallRecord()


class OwnUsage:
    """Usage of one LM call, without the nested calls of other models, whose own spans record it.

    Usage reported before any nested call has ended belongs to this call. Later reports belong to it unless they repeat
    those of nested calls: a router returns the response of the model that it called, a mixture may report the sum of
    several.
    """

    __slots__ = ("_inside", "_reports")

    def __init__(self) -> None:
        # Append-only and summed at the end, because parts of a call may run in several threads.
        self._reports: list[LMCallRecord] = []
        self._inside: list[LMCallRecord] = []

    def report(self, record: LMCallRecord) -> None:
        """Add a result that the call, or a part of it, reported."""
        recorded_inside = self._inside and record.is_of(self._inside)
        self._reports.append(record.without_use() if recorded_inside else record)

    def add_nested(self, other: OwnUsage) -> None:
        """Add the reports of a nested call of another model, which has ended."""
        self._inside.extend(other._reports)
        self._inside.extend(other._inside)

    def total(self) -> LMCallRecord:
        """Return the sum of the call's own reports."""
        reports: Sequence[LMCallRecord] = self._reports
        if not reports:
            return _NOTHING_KNOWN
        return reports[0] if len(reports) == 1 else reduce(LMCallRecord.then, reports)
