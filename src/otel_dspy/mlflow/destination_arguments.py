"""Checks of the flags and the destination that `autolog` and `MlflowSpanProcessor` are given."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from otel_dspy.argument_checks import check_flags, check_store, check_texts

if TYPE_CHECKING:
    from otel_dspy.mlflow.records.route import Options


def check_destination(
    function: str, options: Options, tracking_uri: object, experiment: object, workspace: object
) -> None:
    """Check the arguments of `autolog` that are read when work starts, on a thread of the program.

    Args:
        function: name of the function, for messages.
        options: the flags.
        tracking_uri: see `autolog`; so are the others.
        experiment: see `autolog`.
        workspace: see `autolog`.

    Raises:
        ValueError: One is of another type, or an empty text other than the workspace.
    """
    check_flags(function, **asdict(options))
    check_store(function, tracking_uri)
    check_texts(function, experiment=experiment)
    if workspace != "":  # that is a server without workspaces
        check_texts(function, workspace=workspace)
