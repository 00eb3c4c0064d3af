"""`otel-dspy`: the command line."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from typing import TYPE_CHECKING

from otel_dspy.bridge import command as bridge_command
from otel_dspy.demo.options import OPTIMIZERS, DemoOptions
from otel_dspy.doctor import command as doctor_command
from otel_dspy.mlflow.replay import command as replay_command
from otel_dspy.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_INTERRUPTED = 130
"""Exit status of a program that Ctrl-C ended: 128 + SIGINT."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command that `arguments` (by default the process's) name; give the exit status.

    0: done. 1: the command failed or cannot run here, with the reason on standard error. 130: Ctrl-C.

    Raises:
        SystemExit: The arguments make no sense (status 2), or ask for help or the version.
    """
    chosen = _parser().parse_args(arguments)
    if chosen.command == "replay":
        return replay_command.run(chosen, print)
    if chosen.command == "bridge":
        return bridge_command.run(chosen, print)
    if chosen.command == "doctor":
        return doctor_command.run(chosen, print)
    return _demo(DemoOptions(**{field.name: getattr(chosen, field.name) for field in fields(DemoOptions)}))


def _demo(options: DemoOptions) -> int:
    from otel_dspy.demo.readiness import DemoCannotRunError  # noqa: PLC0415 - `--help` stays quick
    from otel_dspy.demo.run import run_demo  # noqa: PLC0415 - the same

    try:
        run_demo(options)
    except DemoCannotRunError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped. What ran until then is in the store.", file=sys.stderr)
        return _INTERRUPTED
    except Exception as error:
        if options.verbose:
            raise
        print(f"The optimization failed: {type(error).__name__}: {error}", file=sys.stderr)
        print("What ran until then is in the store. --verbose shows more.", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="otel-dspy", description="OpenTelemetry for DSPy.")
    parser.add_argument("--version", action="version", version=f"otel-dspy {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", dest="command")
    demo = commands.add_parser(
        "demo",
        help="optimize a real program on a real model, recorded in MLflow",
        description="Optimize a program that tells the sentiment of tweets, with a small language model on this "
        "machine, and record the whole optimization in an MLflow store. No key and no network are needed.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    _add_demo_options(demo)
    replay = commands.add_parser(
        "replay",
        help="write to MLflow what it did not take while a program ran",
        description="Write spool files to MLflow: what it had not taken when a program ended. A file that is written "
        "is removed; writing one twice, or one that was cut off by a crash, does no harm.",
    )
    replay_command.add_arguments(replay)
    bridge = commands.add_parser(
        "bridge",
        help="take spans by OTLP and write them to MLflow",
        description="Take spans by OTLP, over HTTP and gRPC, and write them to MLflow. A request is acknowledged once "
        "MLflow has it; one that comes twice changes nothing. Each flag has an environment variable.",
    )
    bridge_command.add_arguments(bridge)
    doctor = commands.add_parser(
        "doctor",
        help="say what is installed and switched on, where it goes, and what is wrong with that",
        description="Look at what is installed, what the environment switches on, and whether the places that it names "
        "answer. Exit status 1 where something cannot work as it is.",
    )
    doctor_command.add_arguments(doctor)
    return parser


def _add_demo_options(demo: argparse.ArgumentParser) -> None:
    usual = DemoOptions()
    demo.add_argument("--optimizer", choices=OPTIMIZERS, default=usual.optimizer, help="DSPy's optimizer to use")
    demo.add_argument(
        "--trials",
        type=_at_least(1),
        default=usual.trials,
        help="candidates to try; mipro scores the best again",
    )
    demo.add_argument(
        "--examples", type=_at_least(4), default=usual.examples, help="tweets to learn from, and as many to score on"
    )
    demo.add_argument("--store", default=usual.store, help="folder of a local MLflow store, or a tracking URI")
    demo.add_argument("--lm", metavar="MODEL", help="another model, as DSPy names it: openai/gpt-4o-mini")
    demo.add_argument("--api-base", metavar="URL", help="where that model is served, if not at its provider's")
    demo.add_argument("--verbose", action="store_true", help="show what DSPy and MLflow print and log")


def _at_least(lowest: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if value < lowest:
            raise argparse.ArgumentTypeError(f"{value} is below {lowest}")
        return value

    return number


if __name__ == "__main__":
    sys.exit(main())
