"""Arguments that several commands share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_tracking_uri(parser: argparse.ArgumentParser) -> None:
    """Add `--tracking-uri`, for commands that read an optimization; None means MLflow's own setting."""
    parser.add_argument(
        "--tracking-uri", metavar="URI", help="MLflow store; defaults to MLflow's own setting (MLFLOW_TRACKING_URI)"
    )
