"""All checks of an environment."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from otel_dspy.diagnosis.checks.destinations import destinations
from otel_dspy.diagnosis.checks.installed_packages import installed
from otel_dspy.diagnosis.checks.settings import configured
from otel_dspy.diagnosis.checks.stale_runs import left_running

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.diagnosis.finding import Finding


def examine(environment: Mapping[str, str], *, end_runs: bool = False) -> list[Finding]:
    """Run all checks on an environment.

    Args:
        environment: environment variables.
        end_runs: mark stale runs as KILLED (see `left_running`).
    """
    return list(
        chain(
            installed(environment),
            configured(environment),
            destinations(environment),
            left_running(environment, end=end_runs),
        )
    )
