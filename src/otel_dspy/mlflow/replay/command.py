"""`otel-dspy replay`: its arguments and what it says."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from otel_dspy.mlflow.delivery import spool
from otel_dspy.mlflow.replay import otlp_resend
from otel_dspy.mlflow.replay.file_result import FileResult
from otel_dspy.tracking_uri import address_without_passwords

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "files",
        nargs="*",
        type=Path,
        metavar="FILE",
        help=f"spool files, or folders of them (default: {spool.folder()})",
    )
    parser.add_argument("--tracking-uri", metavar="URI", help="write to this MLflow, not where the files say")
    parser.add_argument(
        "--experiment", metavar="NAME", help="write to this experiment, not the one that the files name"
    )
    parser.add_argument(
        "--workspace",
        metavar="NAME",
        help="write to this MLflow workspace, not the one that the files name ('' for a server without workspaces)",
    )
    parser.add_argument("--otlp", metavar="URL", help="send the spans to this OTLP/HTTP endpoint instead of MLflow")
    parser.add_argument("--keep", action="store_true", help="leave the files where they are once they are written")


@dataclass
class _Report:
    """Says what became of each file, and removes those that are done with."""

    say: Callable[[str], None]
    keep: bool
    failed: bool = False

    def told(self, result: FileResult, *, needed: bool = False, followed: bool = False) -> None:
        """One file is done.

        Args:
            result: what became of it.
            needed: another file of the same process is not done, and will need this one.
            followed: the process went on in another file, so this one has no end.
        """
        path = result.path
        for number, what in result.damaged:
            self.say(f"{path}, line {number}: left out, {what}")
        if result.trouble is not None:
            self.say(
                f"{path}: {result.trouble}" + (f" ({result.spans} spans had been written)" if result.spans else "")
            )
        else:
            cut = "; it was not closed: its process was killed, at most its last second is missing"
            self.say(f"{path}: {result.spans} spans written{'' if result.ended or followed else cut}")
        if not result.whole:
            self.failed = True
            if result.damaged:
                self.say(f"{path} stays. Mend or delete those lines; what is written twice stands once in MLflow.")
        elif needed and not self.keep:
            self.say(f"{path} stays too: what its process told of an optimization is replayed together.")
        elif not self.keep:
            self._remove(path)

    def _remove(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            self.failed = True
            self.say(f"{path} cannot be removed: {error.strerror or error}")


def run(chosen: argparse.Namespace, say: Callable[[str], None]) -> int:
    """Replay what the arguments name; the exit status: 0 if all of it was written, else 1."""
    report = _Report(say, chosen.keep)
    paths = _files(chosen.files or [spool.folder()], report)
    if not paths:
        say("There is nothing to replay.")
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
            found.update(path.glob(f"*{spool.SUFFIX}"))
        elif path.exists():
            found.add(path)
        elif path != spool.folder():
            report.say(f"{path}: there is no such file")
            report.failed = True
    # By name: the control files of a process come before its traces, and segments in order.
    return sorted(found, key=lambda path: (path.name, path))


def _write(paths: list[Path], chosen: argparse.Namespace, report: _Report) -> None:
    if importlib.util.find_spec("mlflow") is None:
        report.say(
            "MLflow is not installed: pip install 'otel-dspy[mlflow]', or send the files elsewhere with --otlp URL."
        )
        report.failed = True
        return
    from otel_dspy.mlflow.replay.reader import Replay  # noqa: PLC0415 - it loads MLflow, which takes seconds

    results: list[FileResult] = []
    replay = Replay(tracking_uri=chosen.tracking_uri, experiment=chosen.experiment, workspace=chosen.workspace)
    killed = replay.run(paths, results.append)
    names = [spool.spool_name(result.path) for result in results]
    unfinished = {name.writer for name, result in zip(names, results, strict=True) if name and not result.whole}
    # Only now: a file of programs is wanted until the files that use them are through.
    for name, result in zip(names, results, strict=True):
        needed = name is not None and name.kind == "control" and name.writer in unfinished
        followed = name is not None and name._replace(number=name.number + 1) in names
        report.told(result, needed=needed, followed=followed)
    if killed:
        report.say(f"{killed} runs were still open; nothing in the files ends them, so they are marked KILLED.")


def _send(paths: list[Path], url: str, report: _Report) -> None:
    try:
        target = otlp_resend.traces_url(url)
    except otlp_resend.EndpointError as error:
        report.say(f"--otlp {error}. Write it as http://HOST:PORT; nothing was sent.")
        report.failed = True
        return
    shown = address_without_passwords(url)
    for path in paths:
        result = FileResult(path, ended=True)
        try:
            with spool.claimed(path) as file:
                if file is None:
                    result.trouble = spool.CLAIMED
                else:
                    result.spans, result.damaged = otlp_resend.resend(file, target)
        except otlp_resend.EndpointError as error:
            result.trouble = f"{shown} did not take it: {error}"
        except OSError as error:
            result.trouble = f"it cannot be read: {error.strerror or error}"
        report.told(result)
