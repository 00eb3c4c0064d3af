"""Warning of trials whose spans did not arrive, without which the report lacks their scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_dspy.reporting.compile_result import Compile


def missing_trials(found: Compile) -> Iterator[str]:
    """Yield one sentence on what is missing and one on what to change; nothing if all trials were received."""
    count = found.missing_trials
    if count:
        missing = (
            "trial is missing: its span was not received, and its run"
            if count == 1
            else "trials are missing: their spans were not received, and their runs"
        )
        yield (
            f"{count:,} {missing} in MLflow may stay RUNNING. Let samplers and the processors of a Collector keep "
            "spans named `trial`."
        )
