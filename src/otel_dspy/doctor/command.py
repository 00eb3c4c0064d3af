"""Command `otel-dspy doctor`: runs all checks and prints the findings."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING, Final

from otel_dspy.doctor.configured import configured
from otel_dspy.doctor.destinations import destinations
from otel_dspy.doctor.finding import Level
from otel_dspy.doctor.installed import installed, versions
from otel_dspy.doctor.left_running import left_running

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from otel_dspy.doctor.finding import Finding

_MARKS: Final = {Level.OK: "ok", Level.NOTE: "--", Level.WARNING: "!!", Level.PROBLEM: "XX"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--json", action="store_true", help="print the findings as a JSON object")
    parser.add_argument(
        "--end-runs",
        action="store_true",
        help="mark runs as KILLED that are RUNNING in MLflow although their process on this host has ended",
    )


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


def run(chosen: argparse.Namespace, say: Callable[[str], None]) -> int:
    """Run all checks and print the findings; return exit status 1 if there is a problem, else 0."""
    found = examine(os.environ, end_runs=chosen.end_runs)
    if chosen.json:
        say(json.dumps({"versions": versions(), "findings": [asdict(finding) for finding in found]}, indent=2))
    else:
        say(", ".join(f"{package} {version}" for package, version in versions().items() if version is not None))
        width = max(len(finding.subject) for finding in found)
        for finding in found:
            say(f"{_MARKS[finding.level]} {finding.subject:<{width}}  {finding.text}")
    return int(any(finding.level is Level.PROBLEM for finding in found))
