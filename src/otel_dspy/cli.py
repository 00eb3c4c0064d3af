"""Command-line interface (`otel-dspy`)."""

from __future__ import annotations

import argparse
import re
import sys
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from typing_extensions import override

from otel_dspy.bridge import command as bridge_command
from otel_dspy.command_line.exit_status import INTERRUPTED
from otel_dspy.command_line.store_setup_lines import hide_store_setup_lines
from otel_dspy.demo import command as demo_command
from otel_dspy.diagnosis import command as doctor_command
from otel_dspy.formatting.control_characters import without_control_characters
from otel_dspy.mlflow.spool_replay import command as replay_command
from otel_dspy.model_registry import command as register_command
from otel_dspy.reporting.commands import compare_command, gate_command, report_command, watch_command
from otel_dspy.rerun import command as rerun_command
from otel_dspy.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class _CommandModule(Protocol):
    def add_arguments(self, parser: argparse.ArgumentParser, /) -> None: ...
    def run(self, chosen: argparse.Namespace, write_line: Callable[[str], None], /) -> int: ...


class _Command(NamedTuple):
    module: _CommandModule
    help: str
    """One line, in the list of commands."""
    description: str
    """In the command's own help."""


_COMMANDS: Final[Mapping[str, _Command]] = {
    "demo": _Command(
        demo_command,
        "optimize a sample program and record it in MLflow",
        "Optimize a program that classifies the sentiment of tweets, with a small local language model, "
        "and record the optimization in an MLflow store. Needs no API key and no network.",
    ),
    "replay": _Command(
        replay_command,
        "write spooled spans to MLflow",
        "Write spool files to MLflow: spans that were not yet delivered when a program ended. A file is "
        "removed once it is written. Replay is idempotent, and accepts files truncated by a crash.",
    ),
    "bridge": _Command(
        bridge_command,
        "receive spans over OTLP and write them to MLflow",
        "Receive spans over OTLP/HTTP and OTLP/gRPC and write them to MLflow. A request is acknowledged "
        "once it is in the queue on disk; repeated requests change nothing. Each flag has an environment variable.",
    ),
    "doctor": _Command(
        doctor_command,
        "check installed packages, settings and destinations, and report problems",
        "Check which packages are installed, what the environment variables enable, and whether the "
        "configured destinations are reachable. The exit status is 1 if there is a problem.",
    ),
    "report": _Command(
        report_command,
        "report on an optimization recorded in MLflow",
        "Read an optimization from MLflow, print which trial won, whether the gain is more than chance and "
        "what it cost, and write a page with the details.",
    ),
    "watch": _Command(
        watch_command,
        "follow an optimization while it runs",
        "Follow an optimization that another process runs, by reading MLflow: print a line for each phase as "
        "it begins and each trial as it ends, then the report. The exit status is 0 if the optimization has "
        "finished, 1 if it failed or was killed. Ctrl-C leaves it running.",
    ),
    "compare": _Command(
        compare_command,
        "compare optimizations recorded in MLflow",
        "Read optimizations from MLflow and compare the first one with each of the others: scores, cost, "
        "parameters, the examples that the winners scored differently, and whether the difference is noise.",
    ),
    "gate": _Command(
        gate_command,
        "check an optimization against a baseline, for CI",
        "Compare an optimization with a baseline. The exit status is 0 if its score is not lower by more "
        "than the allowed points, or lower by no more than noise, and its cost is within the limit; 1 if not; 2 if "
        "that cannot be judged.",
    ),
    "register": _Command(
        register_command,
        "register the best program of an optimization in MLflow",
        "Create a version of a registered model from an optimization's best program, loadable by "
        "mlflow.dspy.load_model, and register its instructions as prompts. Running it again for the same program of a "
        "run only sets the alias.",
    ),
    "rerun": _Command(
        rerun_command,
        "run a recorded trial again without a request",
        "Score the recorded answers of a trial again (--metric), or run its program again on the examples "
        "that it was scored on, with calls answered from the record (--program). The exit status is 1 if a call is "
        "neither in the record nor sent to a model (--from-trial), or if the program or the metric raises on every "
        "example.",
    ),
}
"""Commands by name, in the order of the help."""


class _CommandParser(argparse.ArgumentParser):
    """Parser of one command, which names the most similar option where one is unknown."""

    @override
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride] - its overloads
        chosen, unknown = super().parse_known_args(args, namespace)
        if unknown:
            name = next((one.partition("=")[0] for one in unknown if one.startswith("-")), "")
            near = get_close_matches(name, re.findall(r"--[\w-]+", self.format_help()), 1)
            meant = f". Did you mean {near[0]}?" if near else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{meant}")
        return chosen, unknown


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        arguments: command-line arguments; defaults to those of the process, which is the command's own then: what
            MLflow logs while it creates a store is not printed.

    Returns:
        Exit status. 0: success. 1: the command failed or cannot run, with the reason on standard error. 130: Ctrl-C.

    Raises:
        SystemExit: The arguments are invalid (status 2), or ask for help or the version.
    """
    if arguments is None:
        hide_store_setup_lines()
    parser = _parser()
    _check_command(parser, sys.argv[1:] if arguments is None else arguments)
    chosen = parser.parse_args(arguments)
    if chosen.command is None:
        parser.print_help()
        return 0
    try:
        return _COMMANDS[chosen.command].module.run(chosen, print if getattr(chosen, "json", False) else _print)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        return INTERRUPTED


def _print(text: str) -> None:
    """Print text that may contain answers of models and messages of errors."""
    print(without_control_characters(text))


def _check_command(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """End with status 2 if the first argument is not a command, and name the most similar one."""
    name = next(iter(arguments), "")
    if not name or name.startswith("-") or name in _COMMANDS:
        return
    near = get_close_matches(name, _COMMANDS, 1)
    meant = f"Did you mean {near[0]}? " if near else ""
    parser.error(f"argument COMMAND: invalid choice: {name!r}. {meant}The commands are {', '.join(sorted(_COMMANDS))}.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="otel-dspy", description="OpenTelemetry for DSPy.")
    parser.add_argument("--version", action="version", version=f"otel-dspy {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", parser_class=_CommandParser)
    for name, command in _COMMANDS.items():
        command.module.add_arguments(commands.add_parser(name, help=command.help, description=command.description))
    return parser
