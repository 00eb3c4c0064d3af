"""Command `otel-dspy report`: reads an optimization from MLflow and writes the report on it."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Final

from otel_dspy.command_line.arguments import add_tracking_uri, given_text
from otel_dspy.reporting.commands.read_error import command_read_error
from otel_dspy.reporting.errors import ReportError
from otel_dspy.reporting.files.file_report import report_on_files
from otel_dspy.reporting.files.request_files import SUFFIXES, files_at
from otel_dspy.reporting.latest import LATEST
from otel_dspy.reporting.report import report

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from otel_dspy.reporting.report import Report

_SHORT: Final = 8
"""Characters of the run's id in the name of the file."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "run",
        nargs="*",
        metavar="RUN | FILE",
        type=given_text,
        help="run id, or `latest` (the default); or files, or folders of them, that are read without MLflow: spool "
        "files of a program, OTLP JSON files of a Collector",
    )
    add_tracking_uri(parser)
    parser.add_argument(
        "--experiment", metavar="NAME", type=given_text, help="search for the latest optimization in this experiment"
    )
    parser.add_argument(
        "--against", metavar="RUN", type=given_text, help="compare with this optimization, on the page and in the text"
    )
    parser.add_argument(
        "--out",
        metavar="FILE",
        type=given_text,
        help="file of the page; defaults to report-RUN.html in the current folder",
    )
    parser.add_argument("--open", action="store_true", help="open the page in a browser")
    formats = parser.add_mutually_exclusive_group()
    formats.add_argument(
        "--text", action="store_true", help="print the verdict and the table of trials, and write no page"
    )
    formats.add_argument("--json", action="store_true", help="print the report as a JSON object, and write no page")


def run(chosen: argparse.Namespace, write_line: Callable[[str], None]) -> int:
    """Write and print the report; return exit status 1, with the reason on standard error, if there is none."""
    try:
        found = _found(chosen)
    except ReportError as error:
        print(error, file=sys.stderr)
        return 1
    except Exception as error:  # noqa: BLE001 - MLflow and its transports raise all kinds
        print(command_read_error(error, chosen.tracking_uri), file=sys.stderr)
        return 1
    try:
        _show(found, chosen, write_line)
    except OSError as error:
        print(f"The page could not be written: {error}", file=sys.stderr)
        return 1
    return 0


def _found(chosen: argparse.Namespace) -> Report:
    given: list[str] = chosen.run or [LATEST]
    paths = [Path(one) for one in given]
    if given != [LATEST] and all(path.exists() for path in paths):
        if chosen.against is not None:
            raise ReportError("--against compares runs in MLflow: write the files there first, with otel-dspy replay.")
        files = [file for path in paths for file in files_at(path)]
        if not files:
            raise ReportError(f"There is no file of OTLP JSON ({', '.join(SUFFIXES)}) in {', '.join(given)}.")
        return report_on_files(files)
    if len(given) > 1:
        missing = [one for one, path in zip(given, paths, strict=True) if not path.exists()]
        raise ReportError(f"Name one run, or files that exist; there is no file {', '.join(missing)}.")
    return report(given[0], tracking_uri=chosen.tracking_uri, experiment=chosen.experiment, against=chosen.against)


def _show(found: Report, chosen: argparse.Namespace, write_line: Callable[[str], None]) -> None:
    if chosen.json:
        write_line(found.json)
    elif chosen.text:
        write_line(found.text.rstrip())
    else:
        from otel_dspy.reporting.text_report import verdict_text  # noqa: PLC0415 - an optional package

        write_line(verdict_text(found.verdict))
        if found.comparison is not None:
            write_line(f"\n{found.comparison.pairs[0].verdict}")
    if chosen.out is None and not chosen.open and (chosen.json or chosen.text):
        return
    file = found.save(
        chosen.out or f"report-{found.compile.run_id[:_SHORT] or Path(chosen.run[0]).resolve().stem}.html"
    )
    if not (chosen.json or chosen.text):
        write_line(f"\nThe page: {file}")
    if chosen.open:
        webbrowser.open(file.as_uri())
