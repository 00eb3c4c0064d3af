"""Command `otel-dspy register`: registers the best program of an optimization in MLflow."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from otel_dspy.command_line.arguments import add_tracking_uri, given_text
from otel_dspy.command_line.user_code_error import UserCodeError
from otel_dspy.mlflow.tracking_uri import without_passwords
from otel_dspy.model_registry.api import register
from otel_dspy.model_registry.errors import RegistryError
from otel_dspy.reporting.commands.read_error import store_read_error
from otel_dspy.rerun.errors import RerunError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from otel_dspy.model_registry.registration_data import Registered


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("run", metavar="RUN", type=given_text, help="id of the optimization's run, or `latest`")
    parser.add_argument("--name", required=True, type=given_text, help="name of the registered model")
    parser.add_argument(
        "--program",
        metavar="SOURCE",
        type=given_text,
        required=True,
        help="the program that was optimized: FILE.py:NAME or package.module:NAME, of a class, a function or an "
        "instance; the record has its predictors' state, not its code",
    )
    parser.add_argument("--alias", type=given_text, help="alias to set on the version")
    parser.add_argument("--no-prompts", action="store_true", help="do not register the instructions as prompts")
    add_tracking_uri(parser)
    parser.add_argument("--json", action="store_true", help="print a JSON object")


def run(chosen: argparse.Namespace, write_line: Callable[[str], None]) -> int:
    """Register and print the version; return exit status 1, with the reason on standard error, if that fails."""
    from otel_dspy.command_line.user_code import UserCode  # noqa: PLC0415 - not for the help of `otel-dspy`

    code = UserCode()
    try:
        program = code.program(chosen.program)
        found = register(
            chosen.run,
            name=chosen.name,
            program=program,
            alias=chosen.alias,
            prompts=not chosen.no_prompts,
            code_paths=code.files,
            tracking_uri=chosen.tracking_uri,
        )
    except (RegistryError, RerunError, UserCodeError) as error:
        print(error, file=sys.stderr)
        return 1
    except Exception as error:  # noqa: BLE001 - MLflow and its transports raise all kinds
        from otel_dspy.mlflow.tracking.requests.error_cause import message_of  # noqa: PLC0415 - MLflow: seconds

        unread = store_read_error(error, chosen.tracking_uri)
        print(unread or f"The program was not registered: {without_passwords(message_of(error))}", file=sys.stderr)
        return 1
    write_line(json.dumps(asdict(found), indent=2) if chosen.json else text(found))
    return 0


def text(found: Registered) -> str:
    """Return what was registered as lines of text."""
    state = "registered" if found.created else "was registered already"
    lines = [f"Version {found.version} of {found.name} {state}, from run {found.run_id}"]
    if found.alias is not None:
        lines.append(f"Alias: {found.alias}")
    lines += [f"{name}: {value:g}, linked to the validation set" for name, value in (found.metrics or {}).items()]
    lines += [f"Prompt: {prompt}" for prompt in found.prompts or ()]
    lines.append(f"Load it: mlflow.dspy.load_model({found.model_uri!r})")
    return "\n".join(lines)
