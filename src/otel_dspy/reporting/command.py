"""Command `otel-dspy report`: reads an optimization from MLflow and prints the report on it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from otel_dspy.reporting.errors import ReportError
from otel_dspy.reporting.report import report
from otel_dspy.tracking_uri import without_passwords

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run", nargs="?", default="latest", metavar="RUN", help="run id, or `latest` (the default)")
    parser.add_argument("--tracking-uri", help="MLflow store; defaults to MLflow's own setting (MLFLOW_TRACKING_URI)")
    parser.add_argument("--experiment", metavar="NAME", help="search for the latest optimization in this experiment")
    parser.add_argument("--json", action="store_true", help="print the report as a JSON object")


def run(chosen: argparse.Namespace, say: Callable[[str], None]) -> int:
    """Print the report; return exit status 1, with the reason on standard error, if there is none."""
    try:
        found = report(chosen.run, tracking_uri=chosen.tracking_uri, experiment=chosen.experiment)
    except ReportError as error:
        print(error, file=sys.stderr)
        return 1
    except Exception as error:  # noqa: BLE001 - MLflow and its transports raise all kinds
        print(f"MLflow could not be read: {without_passwords(str(error))}", file=sys.stderr)
        return 1
    say(found.json if chosen.json else found.text.rstrip())
    return 0
