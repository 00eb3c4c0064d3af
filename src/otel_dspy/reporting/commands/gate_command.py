"""Command `otel-dspy gate`: checks an optimization against a baseline, for CI."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from otel_dspy.command_line.arguments import add_tracking_uri, given_text
from otel_dspy.reporting.commands.read_error import command_read_error
from otel_dspy.reporting.errors import ReportError
from otel_dspy.reporting.gating.gate_status import EXIT_STATUS
from otel_dspy.reporting.required_packages import check_packages

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from otel_dspy.reporting.gating.checks import GateResult


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run", metavar="RUN", type=given_text, help="id of the run that is checked, or `latest`")
    parser.add_argument(
        "--baseline",
        metavar="RUN|MODEL",
        type=given_text,
        required=True,
        help="id of the run to compare with, or a registered model, whose run is used: "
        "models:/NAME@ALIAS, models:/NAME/VERSION",
    )
    parser.add_argument(
        "--max-drop",
        metavar="POINTS",
        type=_positive,
        default=2.0,
        help="number of points by which the score may be lower than the baseline's (default: 2); a larger drop passes "
        "if it may be noise",
    )
    parser.add_argument("--max-cost", metavar="USD", type=_positive, help="maximum cost of the optimization")
    parser.add_argument("--strict", action="store_true", help="fail on a larger drop even if it may be noise")
    add_tracking_uri(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON object instead of one line")
    parser.add_argument("--junit", metavar="FILE", type=given_text, help="write JUnit XML")
    parser.add_argument(
        "--markdown",
        metavar="FILE",
        type=given_text,
        help="write GitHub-flavored Markdown, such as to $GITHUB_STEP_SUMMARY",
    )


def run(chosen: argparse.Namespace, write_line: Callable[[str], None]) -> int:
    """Print the result in one line; return 0 if it passed, 1 if it failed, 2 if it cannot be judged."""
    try:
        check_packages()
    except ReportError as error:
        print(error, file=sys.stderr)
        return EXIT_STATUS["unknown"]
    # Optional packages: SciPy, MLflow, seconds.
    from otel_dspy.reporting.gating.checks import unreadable  # noqa: PLC0415 - see above
    from otel_dspy.reporting.gating.json_gate import json_text  # noqa: PLC0415 - see above
    from otel_dspy.reporting.gating.junit_xml import junit  # noqa: PLC0415 - see above
    from otel_dspy.reporting.gating.markdown_gate import markdown  # noqa: PLC0415 - see above

    try:
        result = _result(chosen)
    except ReportError as error:
        result = unreadable(str(error))
    except Exception as error:  # noqa: BLE001 - MLflow and its transports raise all kinds
        result = unreadable(command_read_error(error, chosen.tracking_uri))
    write_line(json_text(result) if chosen.json else result.line)
    status = result.exit_status
    for path, text in ((chosen.junit, junit), (chosen.markdown, markdown)):
        if path is None:
            continue
        try:
            Path(path).write_text(text(result), encoding="utf-8")
        except OSError as error:
            print(f"The result could not be written: {error}", file=sys.stderr)
            status = status or EXIT_STATUS["unknown"]
    return status


def _result(chosen: argparse.Namespace) -> GateResult:
    import mlflow  # noqa: PLC0415 - seconds

    from otel_dspy.reporting.gating.checks import Limits, checked  # noqa: PLC0415 - SciPy: seconds
    from otel_dspy.reporting.runs.read_compile import read_compile  # noqa: PLC0415 - MLflow: seconds
    from otel_dspy.reporting.runs.registered_models import baseline_run  # noqa: PLC0415 - the same

    uri = chosen.tracking_uri or mlflow.get_tracking_uri()
    found = read_compile(uri, chosen.run, only_winner=True)
    baseline = read_compile(uri, baseline_run(uri, chosen.baseline), only_winner=True)
    return checked(found, baseline, Limits(chosen.max_drop, chosen.max_cost, chosen.strict))


def _positive(text: str) -> float:
    import argparse  # noqa: PLC0415 - for its error only

    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < 0:
        raise argparse.ArgumentTypeError(f"{text} is not a number from 0")
    return value
