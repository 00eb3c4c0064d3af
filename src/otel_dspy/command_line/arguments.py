"""Arguments that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_tracking_uri(parser: argparse.ArgumentParser) -> None:
    """Add `--tracking-uri`, for commands that read an optimization; None means MLflow's own setting."""
    parser.add_argument(
        "--tracking-uri",
        metavar="URI",
        type=given_text,
        help="MLflow store; defaults to MLflow's own setting (MLFLOW_TRACKING_URI)",
    )


def given_text(text: str) -> str:
    """Return the value of an argument, which a script may set from a variable that is empty.

    Raises:
        argparse.ArgumentTypeError: It is empty or blank.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("the value is empty: check that the variable that it comes from is set")
    return text


def given_path(text: str) -> Path:
    """Return the path of an argument: that of an empty one would be the current folder.

    Raises:
        argparse.ArgumentTypeError: It is empty or blank.
    """
    return Path(given_text(text))
