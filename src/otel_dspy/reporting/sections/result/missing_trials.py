"""Warning of trials whose spans did not arrive, without which the report lacks their scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.formatting.counted_nouns import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_dspy.reporting.compile_result import Compile


def missing_trials(found: Compile) -> Iterator[str]:
    """Yield one sentence on what is missing and one on what to change; nothing if all trials were received."""
    count = found.missing_trials
    if count:
        one = count == 1
        missing = "is missing: its span was" if one else "are missing: their spans were"
        yield (
            f"{counted(count, 'trial')} {missing} not received, and {'its run' if one else 'their runs'} in MLflow may "
            "stay RUNNING. Let samplers and the processors of a Collector keep spans named `trial`."
        )
