"""Command `otel-dspy demo`: runs the demo, and reports why it cannot run or has failed."""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from typing import TYPE_CHECKING

from otel_dspy.command_line.arguments import given_text
from otel_dspy.command_line.exit_status import INTERRUPTED
from otel_dspy.demo.options import OPTIMIZER_CLASSES, OPTIMIZERS, DemoOptions

if TYPE_CHECKING:
    from collections.abc import Callable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    defaults = DemoOptions()
    parser.add_argument(
        "--optimizer",
        type=_optimizer,
        choices=OPTIMIZERS,
        default=defaults.optimizer,
        help="DSPy optimizer to use (default: %(default)s)",
    )
    parser.add_argument(
        "--trials",
        type=_at_least(1),
        default=defaults.trials,
        help="number of candidates; mipro also scores the best ones in full (default: %(default)s)",
    )
    parser.add_argument(
        "--examples",
        type=_at_least(4),
        default=defaults.examples,
        help="number of training tweets, and of validation tweets (default: %(default)s)",
    )
    parser.add_argument(
        "--store",
        type=given_text,
        default=defaults.store,
        help="folder of a local MLflow store, or a tracking URI (default: %(default)s)",
    )
    parser.add_argument(
        "--lm", metavar="MODEL", type=given_text, help="use another model, by its DSPy name: openai/gpt-4o-mini"
    )
    parser.add_argument(
        "--api-base", metavar="URL", type=given_text, help="base URL of that model; defaults to its provider's"
    )
    parser.add_argument("--verbose", action="store_true", help="show output and logs of DSPy and MLflow")


def run(chosen: argparse.Namespace, _write_line: Callable[[str], None]) -> int:
    """Run the demo, which prints its own progress and results.

    Returns:
        Exit status: 0; 1 if the demo cannot run or has failed, with the reason on standard error; 130 after Ctrl-C.

    Raises:
        Exception: the optimization failed, and `--verbose` is given.
    """
    from otel_dspy.demo.readiness import DemoCannotRunError  # noqa: PLC0415 - keeps `--help` fast
    from otel_dspy.demo.run import run_demo  # noqa: PLC0415 - the same

    options = DemoOptions(**{field.name: getattr(chosen, field.name) for field in fields(DemoOptions)})
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
        from otel_dspy.telemetry.error_line import error_line  # noqa: PLC0415 - keeps `--help` fast

        print(f"The optimization failed: {error_line(error)}", file=sys.stderr)
        print("Results so far are in the MLflow store. Run with --verbose for the traceback.", file=sys.stderr)
        return 1
    return 0


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
