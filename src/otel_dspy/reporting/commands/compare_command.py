"""Command `otel-dspy compare`: compares optimizations that MLflow has recorded."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from otel_dspy.command_line.arguments import add_tracking_uri, given_text
from otel_dspy.reporting.commands.read_error import command_read_error
from otel_dspy.reporting.compare import compare
from otel_dspy.reporting.errors import ReportError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("first", metavar="RUN", type=given_text, help="id of the run to compare with, or `latest`")
    parser.add_argument(
        "others", metavar="RUN", type=given_text, nargs="+", help="ids of the runs that are compared with it"
    )
    add_tracking_uri(parser)
    parser.add_argument(
        "--html", action="store_true", help="also write a page: comparison.html in the current folder, or --out"
    )
    parser.add_argument("--out", metavar="FILE", type=given_text, help="file of the page")
    parser.add_argument("--json", action="store_true", help="print the comparison as a JSON object")


def run(chosen: argparse.Namespace, write_line: Callable[[str], None]) -> int:
    """Print the comparison; return exit status 1, with the reason on standard error, if there is none."""
    try:
        found = compare(chosen.first, *chosen.others, tracking_uri=chosen.tracking_uri)
    except ReportError as error:
        print(error, file=sys.stderr)
        return 1
    except Exception as error:  # noqa: BLE001 - MLflow and its transports raise all kinds
        print(command_read_error(error, chosen.tracking_uri), file=sys.stderr)
        return 1
    write_line(found.json if chosen.json else found.text.rstrip())
    if not chosen.html and chosen.out is None:
        return 0
    try:
        file = found.save(chosen.out or "comparison.html")
    except OSError as error:
        print(f"The page could not be written: {error}", file=sys.stderr)
        return 1
    if not chosen.json:
        write_line(f"\nThe page: {file}")
    return 0
