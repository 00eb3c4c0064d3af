"""`otel-dspy replay`: its arguments and what it says."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from otel_dspy.mlflow.delivery import spool
from otel_dspy.mlflow.replay import otlp_resend

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from otel_dspy.mlflow.replay.reader import FileResult


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
    parser.add_argument("--otlp", metavar="URL", help="send the spans to this OTLP/HTTP endpoint instead of MLflow")
    parser.add_argument("--keep", action="store_true", help="leave the files where they are once they are written")


@dataclass
class _Report:
    """Says what became of each file, and removes those that are done with."""

    say: Callable[[str], None]
    keep: bool
    failed: bool = False

    def told(self, path: Path, spans: int, damaged: list[tuple[int, str]], trouble: str | None, *, ended: bool) -> None:
        """One file is done."""
        for number, what in damaged:
            self.say(f"{path}, line {number}: left out, {what}")
        if trouble is not None:
            self.say(f"{path}: {trouble}" + (f" ({spans} spans had been written)" if spans else ""))
        else:
            cut = "" if ended else "; it was not closed: its process was killed, at most its last second is missing"
            self.say(f"{path}: {spans} spans written{cut}")
        if trouble is not None or damaged:
            self.failed = True
            if damaged:
                self.say(f"{path} stays. Mend or delete those lines; what is written twice stands once in MLflow.")
        elif not self.keep:
            path.unlink(missing_ok=True)


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
    replay = Replay(tracking_uri=chosen.tracking_uri, experiment=chosen.experiment)
    killed = replay.run(paths, results.append)
    # Only now: a file of programs is wanted until the files that use them are through.
    for result in results:
        report.told(result.path, result.spans, result.damaged, result.trouble, ended=result.ended)
    if killed:
        report.say(f"{killed} runs were still open; nothing in the files ends them, so they are marked KILLED.")


def _send(paths: list[Path], url: str, report: _Report) -> None:
    for path in paths:
        spans, damaged, trouble = 0, list[tuple[int, str]](), None
        try:
            target = otlp_resend.traces_url(url)
            if spool.in_use(path):
                trouble = "a living process writes it; replay it when that has ended"
            else:
                spans, damaged = otlp_resend.resend(path, target)
        except otlp_resend.EndpointError as error:
            trouble = f"{url} did not take it: {error}"
        except OSError as error:
            trouble = f"it cannot be read: {error.strerror or error}"
        report.told(path, spans, damaged, trouble, ended=True)
