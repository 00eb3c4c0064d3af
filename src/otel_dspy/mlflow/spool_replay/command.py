"""`otel-dspy replay`: arguments and output."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_dspy.command_line.arguments import given_path, given_text
from otel_dspy.environment.optional_modules import is_installed
from otel_dspy.formatting.counted_nouns import counted
from otel_dspy.mlflow.delivery import spool_folder
from otel_dspy.mlflow.spool_replay import replay_to_otlp
from otel_dspy.mlflow.spool_replay.file_result import FileResult
from otel_dspy.mlflow.tracking_uri import address_without_passwords

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable
    from pathlib import Path


_FOR_A_COLLECTORS_FILE: Final = "otel-dspy report FILE, or to a bridge, otel-dspy replay --otlp URL FILE"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "files",
        nargs="*",
        type=given_path,
        metavar="FILE",
        help=f"spool files, or folders of them (default: {spool_folder.folder()})",
    )
    parser.add_argument(
        "--tracking-uri", metavar="URI", type=given_text, help="tracking URI to use instead of the recorded one"
    )
    parser.add_argument(
        "--experiment", metavar="NAME", type=given_text, help="experiment to use instead of the recorded one"
    )
    parser.add_argument(
        "--workspace",
        metavar="NAME",
        help="MLflow workspace to use instead of the recorded one ('' for a server without workspaces)",
    )
    parser.add_argument(
        "--otlp", metavar="URL", type=given_text, help="send the spans to this OTLP/HTTP endpoint instead of MLflow"
    )
    parser.add_argument("--keep", action="store_true", help="keep the files after delivery")


@dataclass
class _Report:
    """Reports the result for each file, and removes the files that were delivered."""

    write_line: Callable[[str], None]
    keep: bool
    failed: bool = False

    def add(self, result: FileResult, *, needed: bool = False, followed: bool = False) -> None:
        """Report one file.

        Args:
            result: the result.
            needed: another file of the same process failed and needs this one.
            followed: the process continued in another file, so this one has no end marker.
        """
        path = result.path
        foreign = not (spool_folder.spool_name(path) or spool_folder.is_spool_file(path))
        for number, what in result.damaged[:1] if foreign else result.damaged:
            self.write_line(f"{path}, line {number}: skipped, {what}")
        if foreign:
            self._add_foreign(result)
            return
        if result.outage is None:  # else one sentence for all files: `add_outage`
            self.write_line(f"{path}: {_outcome(result, followed=followed)}")
        if not result.whole:
            self.failed = True
            if result.damaged:
                self.write_line(
                    f"{path} is kept. Repair or delete these lines and replay it again: replaying is idempotent."
                )
        elif needed and not self.keep:
            self.write_line(f"{path} is kept too: the files of an optimization are replayed together.")
        elif not self.keep:
            self._remove(path)

    def _add_foreign(self, result: FileResult) -> None:
        """Report a file that is not a spool file. It is kept, because otel-dspy has not written it."""
        path = result.path
        if result.spans and len(result.damaged) > 1:
            left = len(result.damaged) - 1
            self.write_line(f"{path}: {counted(left, 'more line')} {'was' if left == 1 else 'were'} skipped")
        if result.trouble is not None or result.spans:
            self.write_line(f"{path}: {_outcome(result, followed=True)}")
        self.failed = self.failed or not (result.whole and result.spans)
        others = "" if result.spans else f". For files of a Collector: {_FOR_A_COLLECTORS_FILE}"
        self.write_line(f"{path} is kept: it is not a file of otel-dspy's spool{others}")

    def add_outage(self, results: Iterable[FileResult]) -> None:
        """Report the files that an outage of MLflow has left, if there is one."""
        left = [result for result in results if result.outage is not None]
        if left:
            again = "replay them again later, or to another MLflow with --tracking-uri URI"
            self.write_line(f"{left[0].outage}. These files are kept; {again}:")
        for result in left:
            self.write_line(f"{result.path}" + (" (a part was written)" if result.spans else ""))

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            self.failed = True
            self.write_line(f"{path} cannot be removed: {error.strerror or error}")


def _outcome(result: FileResult, *, followed: bool) -> str:
    spans = counted(result.spans, "span")
    if result.trouble is not None:
        return result.trouble + (f" ({spans} {'was' if result.spans == 1 else 'were'} written)" if result.spans else "")
    cut = "; the file was not closed: its process was killed, at most its last second is missing"
    return f"{spans} written{'' if result.ended or followed else cut}"


def run(chosen: argparse.Namespace, write_line: Callable[[str], None]) -> int:
    """Replay the files that the arguments name; return the exit status: 0 if everything was written, else 1."""
    report = _Report(write_line, chosen.keep)
    paths = _files(chosen.files or [spool_folder.folder()], report)
    if not paths:
        write_line("There is nothing to replay.")
        return int(report.failed)
    if chosen.otlp:
        _send(paths, chosen.otlp, report)
    else:
        _write(paths, chosen, report)
    return int(report.failed)


def _files(named: list[Path], report: _Report) -> list[Path]:
    found: set[Path] = set()
    for path in named:
        if path.is_dir():
            found.update(path.glob(f"*{spool_folder.SUFFIX}"))
        elif path.exists():
            found.add(path)
        elif path != spool_folder.folder():
            report.write_line(f"{path}: no such file")
            report.failed = True
    # By name: the control files of a process come before its traces, and segments in order.
    return sorted(found, key=lambda path: (path.name, path))


def _write(paths: list[Path], chosen: argparse.Namespace, report: _Report) -> None:
    if not is_installed("mlflow"):
        report.write_line(
            "MLflow is not installed: pip install 'otel-dspy[mlflow]', or send the files elsewhere with --otlp URL."
        )
        report.failed = True
        return
    from otel_dspy.mlflow.spool_replay.replay_to_mlflow import Replay  # noqa: PLC0415 - it loads MLflow, which takes seconds

    results: list[FileResult] = []
    replay = Replay(tracking_uri=chosen.tracking_uri, experiment=chosen.experiment, workspace=chosen.workspace)
    killed = replay.run(paths, results.append)
    names = [spool_folder.spool_name(result.path) for result in results]
    unfinished = {name.writer for name, result in zip(names, results, strict=True) if name and not result.whole}
    # Reported last: a file with programs is needed until the files that use them are delivered.
    for name, result in zip(names, results, strict=True):
        needed = name is not None and name.kind == "control" and name.writer in unfinished
        followed = name is not None and name._replace(number=name.number + 1) in names
        report.add(result, needed=needed, followed=followed)
    report.add_outage(results)
    if killed == 1:
        report.write_line("1 run was still open and the files do not contain its end: it is marked KILLED.")
    elif killed:
        report.write_line(
            f"{killed:,} runs were still open and the files do not contain their end: they are marked KILLED."
        )
    for run_id in replay.unwritten_reports:
        report.write_line(
            f"The report on run {run_id} is not written: it takes longer than the replay waits; "
            f"`otel-dspy report {run_id}` computes it."
        )


def _send(paths: list[Path], url: str, report: _Report) -> None:
    try:
        target = replay_to_otlp.traces_url(url)
    except replay_to_otlp.EndpointError as error:
        report.write_line(f"--otlp {error}. Write it as http://HOST:PORT; nothing was sent.")
        report.failed = True
        return
    shown = address_without_passwords(url)
    for path in paths:
        result = FileResult(path, ended=True)
        try:
            with spool_folder.claimed(path) as file:
                if file is None:
                    result.trouble = spool_folder.CLAIMED
                else:
                    result.spans, result.damaged = replay_to_otlp.resend(file, target)
        except replay_to_otlp.EndpointError as error:
            result.trouble = f"{shown} did not accept the file: {error}"
        except OSError as error:
            result.trouble = f"the file cannot be read: {error.strerror or error}"
        report.add(result)
