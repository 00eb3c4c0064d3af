"""Command `otel-dspy rerun`: runs a recorded trial again, or scores its answers again, without a request."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from otel_dspy.command_line.arguments import add_tracking_uri, given_text
from otel_dspy.command_line.user_code_error import UserCodeError
from otel_dspy.environment.optional_modules import is_installed
from otel_dspy.mlflow.tracking_uri import without_passwords
from otel_dspy.reporting.commands.read_error import store_read_error
from otel_dspy.rerun.errors import RerunError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from otel_dspy.rerun.rerun_trial import TrialRerun


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument(
        "run", nargs="?", default="latest", metavar="RUN", type=given_text, help="run id, or `latest` (the default)"
    )
    trial = parser.add_mutually_exclusive_group()
    trial.add_argument("--trial", type=int, metavar="N", help="index of the trial; defaults to the best one")
    trial.add_argument(
        "--from-trial",
        type=int,
        metavar="N",
        help="like --trial, but calls that are not in the record are sent to the model of --lm",
    )
    parser.add_argument(
        "--instruction",
        action="append",
        default=[],
        metavar="[PREDICTOR=]TEXT",
        help="with --from-trial: another instruction; @FILE reads it from a file; may be repeated",
    )
    parser.add_argument(
        "--data",
        metavar="FILE",
        type=given_text,
        help="with --from-trial: other examples, as JSON or JSON lines, fields as recorded",
    )
    parser.add_argument(
        "--metric",
        metavar="SOURCE",
        type=given_text,
        required=True,
        help="the metric, FILE.py:NAME or package.module:NAME; alone, it scores the recorded answers again",
    )
    parser.add_argument(
        "--program",
        metavar="SOURCE",
        type=given_text,
        help="the program, FILE.py:NAME or package.module:NAME, which runs with the trial's state",
    )
    parser.add_argument(
        "--lm",
        metavar="MODEL",
        type=given_text,
        help="model for --from-trial, by its DSPy name: openai/gpt-4o-mini; defaults to that of --model",
    )
    parser.add_argument(
        "--model",
        metavar="MODEL",
        type=given_text,
        help="model of the program, if the record has several; with --from-trial it may be another one",
    )
    parser.add_argument(
        "--threads",
        type=int,
        default=1,
        metavar="N",
        help="number of examples that run at the same time (default: %(default)s)",
    )
    add_tracking_uri(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON object")


def run(chosen: argparse.Namespace, write_line: Callable[[str], None]) -> int:
    """Print the scores.

    Returns:
        0; 1, with the reason on standard error, if there is no result, a call was not in the record, or the program or
        the metric raised on every example.
    """
    try:
        result = _result(chosen)
    except (RerunError, UserCodeError) as error:
        print(error, file=sys.stderr)
        return 1
    except Exception as error:  # noqa: BLE001 - MLflow, its transports and the user's files raise all kinds
        from otel_dspy.mlflow.tracking.requests.error_cause import message_of  # noqa: PLC0415 - MLflow: seconds

        cause = without_passwords(f"{type(error).__name__}: {message_of(error)}")
        unread = store_read_error(error, chosen.tracking_uri)
        print(unread or f"The trial could not be run again: {cause}", file=sys.stderr)
        return 1
    write_line(result.json if chosen.json else result.text)
    if not result.is_complete:
        print(
            f"{result.unknown} calls are not in the record, so the score is not that of the trial. "
            "--from-trial N --lm MODEL sends them to a model.",
            file=sys.stderr,
        )
        return 1
    if result.rescored.all_failed:
        example, failure = next(iter(result.rescored.failures.items()))
        print(
            "The program or the metric raised on every example, so there is no score now. "
            f"Example {example}: {failure}",
            file=sys.stderr,
        )
        return 1
    return 0


def _result(chosen: argparse.Namespace) -> TrialRerun:
    missing = [name for name in ("dspy", "mlflow") if not is_installed(name)]
    if missing:
        raise RerunError(
            f"Trials are run again with packages that are missing: {', '.join(missing)}. "
            "Install otel-dspy[instruments,mlflow]."
        )
    fork = chosen.from_trial is not None
    sent_to = chosen.lm or chosen.model
    if fork and not (sent_to and chosen.program):
        raise RerunError(
            "--from-trial needs --program SOURCE and --lm MODEL, or --model MODEL to call the recorded model again."
        )
    if (chosen.instruction or chosen.data) and not fork:
        raise RerunError("--instruction and --data change a trial: name it by --from-trial N.")
    if chosen.lm and not fork:
        raise RerunError("--lm is the model for --from-trial N: without it no call is sent.")
    if chosen.threads < 1:
        raise RerunError("--threads is a number from 1.")
    # DSPy and MLflow: seconds.
    from otel_dspy.command_line.user_code import UserCode  # noqa: PLC0415 - see above
    from otel_dspy.rerun.rerun_trial import rerun_trial, rescore_trial  # noqa: PLC0415 - see above

    code = UserCode()
    metric = code.metric(chosen.metric)
    trial = chosen.from_trial if fork else chosen.trial
    if chosen.program is None:
        return rescore_trial(chosen.run, metric, trial, chosen.tracking_uri)
    program = code.program(chosen.program)
    fallback = change = None
    if fork:
        import dspy  # noqa: PLC0415 - see above

        from otel_dspy.rerun.trial_changes import Change, examples_in  # noqa: PLC0415 - see above

        fallback = dspy.LM(sent_to)
        change = Change(
            tuple(chosen.instruction),
            None if chosen.data is None else examples_in(Path(chosen.data)),
        )
    return rerun_trial(
        chosen.run,
        program,
        metric,
        trial,
        model=chosen.model,
        fallback=fallback,
        change=change,
        threads=chosen.threads,
        tracking_uri=chosen.tracking_uri,
    )
