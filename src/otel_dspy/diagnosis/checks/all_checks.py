"""All checks of an environment."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from otel_dspy.diagnosis.checks.exporters import exporters
from otel_dspy.diagnosis.checks.installed_packages import installed
from otel_dspy.diagnosis.checks.mlflow_store import mlflow_store
from otel_dspy.diagnosis.checks.spool import spool
from otel_dspy.diagnosis.checks.stale_runs import left_running
from otel_dspy.diagnosis.checks.variable_values import configured
from otel_dspy.diagnosis.finding import Level

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.diagnosis.finding import Finding


def examine(environment: Mapping[str, str], *, end_runs: bool = False) -> list[Finding]:
    """Run all checks on an environment.

    Args:
        environment: environment variables.
        end_runs: mark stale runs as KILLED (see `left_running`).
    """
    store = list(mlflow_store(environment))
    usable = all(finding.level is not Level.PROBLEM for finding in store)
    return list(
        chain(
            installed(environment),
            configured(environment),
            exporters(environment),
            store,
            spool(),
            # A store with a problem may take MLflow's whole timeout to fail, with the same problem.
            left_running(environment, end=end_runs) if usable or end_runs else (),
        )
    )
