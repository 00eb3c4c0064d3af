"""Short descriptions of runs whose compile has ended, which their reports replace.

They are written with the run's end: a report that is given up leaves no description of a compile in progress.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.tracking.runs.description_tag import description_tags, write_description
from otel_dspy.runtime.bounded_dict import BoundedDict

if TYPE_CHECKING:
    from otel_dspy.mlflow.tracking.store.experiment_connection import Connection
    from otel_dspy.mlflow.tracking.store.store import Store

_MAX_KNOWN: Final = 1000


class EndedDescriptions:
    """Descriptions by run, from the run's end until its report."""

    def __init__(self) -> None:
        self._texts: BoundedDict[str, str] = BoundedDict(_MAX_KNOWN)

    def tags(self, store: Store, run_id: str, first_line: str) -> dict[str, str]:
        """Return the tags that describe the run from its end on; none if the user has described it.

        Args:
            store: the tracking store.
            run_id: the run.
            first_line: Markdown.
        """
        text = self._texts[run_id] = f"{first_line}\n\nReport: `otel-dspy report {run_id}`"
        return description_tags(store.run_tags(run_id), text)

    def write_again(self, connection: Connection, run_id: str) -> None:
        """Write the run's description again, if it has ended: one in progress may have been written after it."""
        text = self._texts.get(run_id)
        if text is not None:
            write_description(connection.store(), run_id, text)

    def report_due(self, run_id: str) -> None:
        """Forget the run: its report is written next."""
        self._texts.pop(run_id, None)
