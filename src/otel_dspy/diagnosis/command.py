"""Command `otel-dspy doctor`: runs all checks and prints the findings."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from otel_dspy.diagnosis.api import Diagnosis
from otel_dspy.diagnosis.checks.all_checks import examine
from otel_dspy.diagnosis.checks.installed_packages import versions

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--json", action="store_true", help="print the findings as a JSON object")
    parser.add_argument(
        "--end-runs",
        action="store_true",
        help="mark runs as KILLED that are RUNNING in MLflow although their process on this host has ended",
    )


def run(chosen: argparse.Namespace, write_line: Callable[[str], None]) -> int:
    """Run all checks and print the findings; return exit status 1 if there is a problem, else 0."""
    found = Diagnosis(versions(), tuple(examine(os.environ, end_runs=chosen.end_runs)))
    write_line(found.json if chosen.json else found.text)
    return int(not found.works)
