"""Files of an MLflow model of a DSPy program."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

import dspy
import mlflow.dspy as typed_mlflow_dspy

if TYPE_CHECKING:
    from collections.abc import Sequence

mlflow_dspy = cast("Any", typed_mlflow_dspy)
"""MLflow types it in part."""


def write_model(program: Any, folder: str, code_paths: Sequence[str], requirements: Sequence[str]) -> None:  # noqa: ANN401 - a dspy.Module
    """Write the files that `mlflow.dspy.load_model` reads.

    Language models and callbacks are left out: a saved one contains its headers and key.

    Args:
        program: the program; the models of its predictors are removed.
        folder: where to write; it is created.
        code_paths: files that the model needs and no package has.
        requirements: packages other than DSPy and MLflow.
    """
    for _, predictor in program.named_predictors():
        predictor.lm = None
    with cast("Any", dspy).context(lm=None, callbacks=[]):
        mlflow_dspy.save_model(
            program,
            folder,
            code_paths=list(code_paths) or None,
            # Otherwise MLflow loads the model in a process of its own to find them.
            pip_requirements=[f"dspy=={version('dspy')}", *requirements],
        )
