"""Command-line interface (`otel-dspy`)."""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import fields
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from otel_dspy.bridge import command as bridge_command
from otel_dspy.control_characters import without_control_characters
from otel_dspy.demo.options import OPTIMIZER_CLASSES, OPTIMIZERS, DemoOptions
from otel_dspy.diagnosis import command as doctor_command
from otel_dspy.exit_status import INTERRUPTED
from otel_dspy.mlflow.spool_replay import command as replay_command
from otel_dspy.model_registry import command as register_command
from otel_dspy.reporting.commands import compare_command, gate_command, report_command, watch_command
from otel_dspy.rerun import command as rerun_command
from otel_dspy.store_setup_lines import hide_store_setup_lines
from otel_dspy.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_COMMANDS: Mapping[str, Callable[[argparse.Namespace, Callable[[str], None]], int]] = {
    "replay": replay_command.run,
    "bridge": bridge_command.run,
    "doctor": doctor_command.run,
    "report": report_command.run,
    "watch": watch_command.run,
    "compare": compare_command.run,
    "gate": gate_command.run,
    "register": register_command.run,
    "rerun": rerun_command.run,
}


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
    if chosen.command in _COMMANDS:
        try:
            return _COMMANDS[chosen.command](chosen, print if getattr(chosen, "json", False) else _print)
        except KeyboardInterrupt:
            print("Stopped.", file=sys.stderr)
            return INTERRUPTED
    return _demo(DemoOptions(**{field.name: getattr(chosen, field.name) for field in fields(DemoOptions)}))


def _print(text: str) -> None:
    """Print text that may contain answers of models and messages of errors."""
    print(without_control_characters(text))


def _check_command(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> None:
    """End with status 2 if the first argument is no command, and name the most similar one."""
    name = next(iter(arguments), "")
    names = ("demo", *_COMMANDS)
    if not name or name.startswith("-") or name in names:
        return
    near = get_close_matches(name, names, 1)
    meant = f"Did you mean {near[0]}? " if near else ""
    parser.error(f"argument COMMAND: invalid choice: {name!r}. {meant}The commands are {', '.join(sorted(names))}.")


def _demo(options: DemoOptions) -> int:
    from otel_dspy.demo.readiness import DemoCannotRunError  # noqa: PLC0415 - keeps `--help` fast
    from otel_dspy.demo.run import run_demo  # noqa: PLC0415 - the same

    try:
        run_demo(options)
    except DemoCannotRunError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. Results so far are in the MLflow store.", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        if options.verbose:
            raise
        print(f"The optimization failed: {type(error).__name__}: {error}", file=sys.stderr)
        print("Results so far are in the MLflow store. Run with --verbose for the traceback.", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="otel-dspy", description="OpenTelemetry for DSPy.")
    parser.add_argument("--version", action="version", version=f"otel-dspy {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", dest="command", parser_class=_CommandParser)
    demo = commands.add_parser(
        "demo",
        help="optimize a sample program and record it in MLflow",
        description="Optimize a program that classifies the sentiment of tweets, with a small local language model, "
        "and record the optimization in an MLflow store. Needs no API key and no network.",
    )
    _add_demo_options(demo)
    replay = commands.add_parser(
        "replay",
        help="write spooled spans to MLflow",
        description="Write spool files to MLflow: spans that were not yet delivered when a program ended. A file is "
        "removed once it is written. Replay is idempotent, and accepts files truncated by a crash.",
    )
    replay_command.add_arguments(replay)
    bridge = commands.add_parser(
        "bridge",
        help="receive spans over OTLP and write them to MLflow",
        description="Receive spans over OTLP/HTTP and OTLP/gRPC and write them to MLflow. A request is acknowledged "
        "once it is in the queue on disk; repeated requests change nothing. Each flag has an environment variable.",
    )
    bridge_command.add_arguments(bridge)
    doctor = commands.add_parser(
        "doctor",
        help="check installed packages, settings and destinations, and report problems",
        description="Check which packages are installed, what the environment variables enable, and whether the "
        "configured destinations are reachable. The exit status is 1 if there is a problem.",
    )
    doctor_command.add_arguments(doctor)
    report = commands.add_parser(
        "report",
        help="report on an optimization recorded in MLflow",
        description="Read an optimization from MLflow, print which trial won, whether the gain is more than chance and "
        "what it cost, and write a page with the details.",
    )
    report_command.add_arguments(report)
    watch = commands.add_parser(
        "watch",
        help="follow an optimization while it runs",
        description="Follow an optimization that another process runs, by its record in MLflow: a line for each trial "
        "as it ends, then the report. The exit status is 0 if the optimization has finished, 1 if it failed or was "
        "killed. Ctrl-C leaves it running.",
    )
    watch_command.add_arguments(watch)
    compare = commands.add_parser(
        "compare",
        help="compare optimizations recorded in MLflow",
        description="Read optimizations from MLflow and compare the first one with each of the others: scores, cost, "
        "parameters, the examples that the winners scored differently, and whether the difference is noise.",
    )
    compare_command.add_arguments(compare)
    gate = commands.add_parser(
        "gate",
        help="check an optimization against a baseline, for CI",
        description="Compare an optimization with a baseline. The exit status is 0 if its score is not lower by more "
        "than the allowed points, or lower by no more than noise, and its cost is within the limit; 1 if not; 2 if "
        "that cannot be judged.",
    )
    gate_command.add_arguments(gate)
    register = commands.add_parser(
        "register",
        help="register the best program of an optimization in MLflow",
        description="Create a version of a registered model from an optimization's best program, loadable by "
        "mlflow.dspy.load_model, and register its instructions as prompts. Repeated, it creates nothing, and moves "
        "the alias.",
    )
    register_command.add_arguments(register)
    rerun = commands.add_parser(
        "rerun",
        help="run a recorded trial again without a request",
        description="Score the recorded answers of a trial again (--metric), or run its program again on the examples "
        "that it was scored on, with calls answered from the record (--program). The exit status is 1 if a call is not "
        "in the record.",
    )
    rerun_command.add_arguments(rerun)
    return parser


def _add_demo_options(demo: argparse.ArgumentParser) -> None:
    usual = DemoOptions()
    demo.add_argument(
        "--optimizer",
        type=_optimizer,
        choices=OPTIMIZERS,
        default=usual.optimizer,
        help="DSPy optimizer to use (default: %(default)s)",
    )
    demo.add_argument(
        "--trials",
        type=_at_least(1),
        default=usual.trials,
        help="number of candidates; mipro also scores the best ones in full (default: %(default)s)",
    )
    demo.add_argument(
        "--examples",
        type=_at_least(4),
        default=usual.examples,
        help="number of training tweets, and of validation tweets (default: %(default)s)",
    )
    demo.add_argument(
        "--store", default=usual.store, help="folder of a local MLflow store, or a tracking URI (default: %(default)s)"
    )
    demo.add_argument("--lm", metavar="MODEL", help="use another model, by its DSPy name: openai/gpt-4o-mini")
    demo.add_argument("--api-base", metavar="URL", help="base URL of that model; defaults to its provider's")
    demo.add_argument("--verbose", action="store_true", help="show output and logs of DSPy and MLflow")


def _optimizer(text: str) -> str:
    name = text.lower().replace("-", "_")
    return OPTIMIZER_CLASSES.get(name, name)


def _at_least(lowest: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if value < lowest:
            raise argparse.ArgumentTypeError(f"{value} is below {lowest}")
        return value

    return number
