"""Command `otel-dspy watch`: follows an optimization that another process runs, by its record in MLflow."""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.command_line.arguments import add_tracking_uri, given_text
from otel_dspy.command_line.exit_status import INTERRUPTED
from otel_dspy.environment.quantities import number_of_seconds
from otel_dspy.mlflow.tracking_uri import without_passwords
from otel_dspy.reporting.commands.read_error import command_read_error
from otel_dspy.reporting.errors import ReportError
from otel_dspy.reporting.latest import LATEST
from otel_dspy.reporting.report import Report
from otel_dspy.reporting.required_packages import check_packages
from otel_dspy.reporting.sections.running_phase import running_phase
from otel_dspy.reporting.trials.trial_line import choice_text, trial_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator

    from otel_dspy.reporting.compile_result import Compile
    from otel_dspy.reporting.trials.trial_row import TrialRow

_RUNNING: Final = frozenset({"RUNNING", "SCHEDULED"})
"""Statuses of a run that has not ended."""
_SHORTEST: Final = 0.1
"""Shortest pause between two looks, in seconds."""
_LONGEST: Final = 200
"""Longest message of an error, in characters."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "run", nargs="?", default=LATEST, metavar="RUN", type=given_text, help="run id, or `latest` (the default)"
    )
    add_tracking_uri(parser)
    parser.add_argument(
        "--experiment", metavar="NAME", type=given_text, help="search for the latest optimization in this experiment"
    )
    parser.add_argument(
        "--interval", default="5s", metavar="TIME", help="pause between two reads of MLflow (default: 5s)"
    )
    parser.add_argument(
        "--json", action="store_true", help="print JSON objects: for each phase and trial, and one at the end"
    )


def run(chosen: argparse.Namespace, write_line: Callable[[str], None]) -> int:
    """Print a line for each phase as it begins and each trial as it ends, then the report.

    Returns:
        Exit status: 0 if the optimization has finished, 1 if it failed, was killed or cannot be read, with the reason
        on standard error, 130 after Ctrl-C, which leaves the optimization running.
    """
    try:
        interval = max(_SHORTEST, number_of_seconds(chosen.interval))
        check_packages()
        found = _followed(chosen, interval, write_line)
    except (ReportError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("The optimization goes on.", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - MLflow and its transports raise all kinds
        print(command_read_error(error, chosen.tracking_uri), file=sys.stderr)
        return 1
    report = Report(found)
    if chosen.json:
        write_line(json.dumps({"status": found.status, "report": json.loads(report.json)}))
    else:
        write_line(f"\n{report.text.rstrip()}")
    return int(found.status != "FINISHED")


def _followed(chosen: argparse.Namespace, interval: float, write_line: Callable[[str], None]) -> Compile:
    """Print what happens until the optimization ends; return all of it."""
    from otel_dspy.reporting.runs.read_compile import read_compile  # noqa: PLC0415 - MLflow: seconds

    uri, run_id = _place(chosen)
    if not chosen.json:
        write_line(f"Watching run {run_id} in {without_passwords(uri)}")
    printed: set[int] = set()
    shown: str | None = None
    for found in _looks(uri, run_id, interval):
        phase = running_phase(found)
        if phase not in {None, shown}:
            write_line(json.dumps({"phase": phase}) if chosen.json else f"phase {phase}")
            shown = phase
        for row in _ended(found, printed):
            write_line(json.dumps(_as_json(row)) if chosen.json else trial_line(row, None))
        if found.status not in _RUNNING:
            break
    return read_compile(uri, run_id)


def _place(chosen: argparse.Namespace) -> tuple[str, str]:
    """Return the store, and the id of the run there: the latest one stays the same from now on."""
    import mlflow  # noqa: PLC0415 - seconds

    from otel_dspy.reporting.runs.connection import connected  # noqa: PLC0415 - the same
    from otel_dspy.reporting.runs.run_search import find_run  # noqa: PLC0415 - the same

    uri = chosen.tracking_uri or mlflow.get_tracking_uri()
    return uri, str(find_run(connected(uri), chosen.run, chosen.experiment).info.run_id)


def _looks(uri: str, run_id: str, interval: float) -> Iterator[Compile]:
    """Yield the optimization at each look. While MLflow does not answer there is one line on standard error.

    Raises:
        ReportError: The run is no longer there.
    """
    from otel_dspy.mlflow.tracking.requests import http_policy  # noqa: PLC0415 - MLflow: seconds
    from otel_dspy.mlflow.tracking.requests.error_cause import error_cause  # noqa: PLC0415 - the same
    from otel_dspy.reporting.runs.read_compile import read_unfinished  # noqa: PLC0415 - the same

    away = False
    while True:
        try:
            with http_policy.no_retries(0):
                found = read_unfinished(uri, run_id)
        except ReportError:
            raise
        except Exception as error:  # noqa: BLE001 - MLflow and its transports raise all kinds
            if not away:
                print(f"MLflow cannot be read ({error_cause(error, _LONGEST)}); trying again", file=sys.stderr)
            away = True
        else:
            away = False
            yield found
        time.sleep(interval)


def _ended(found: Compile, printed: set[int]) -> Iterator[TrialRow]:
    """Yield the trials that have ended since the last look, in order."""
    for trial in found.trials:
        row = trial.row
        if row.index not in printed and row.state.upper() not in _RUNNING:
            printed.add(row.index)
            yield row


def _as_json(row: TrialRow) -> dict[str, Any]:
    return {
        "trial": row.index, "tried": choice_text(row), "state": row.state, "score": row.score, "unit": row.unit,
        "scope": row.scope, "best_score": row.best_score, "failure": row.failure,
        "lm_calls": row.lm_calls if row.observed else None,
        "tokens": row.use.tokens if row.observed else None, "cost": row.cost, "seconds": row.seconds,
    }  # fmt: skip
