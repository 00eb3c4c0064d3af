"""Data of a registration: the program to register, and the registered version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Registered:
    """A version of a registered model, and what belongs to it."""

    name: str
    version: int
    run_id: str
    """The optimization's run."""
    model_uri: str
    """What `mlflow.dspy.load_model` takes: by the alias if one was given."""
    alias: str | None = None
    created: bool = True
    """False if the run's program was a version already."""
    metrics: dict[str, float] | None = None
    """Metrics of the model that are linked to the validation set; None if not `created`, or where MLflow has none."""
    prompts: tuple[str, ...] | None = None
    """`NAME/VERSION` of each predictor's instructions. None if not `created` or not wanted, or where MLflow has no
    prompt registry.
    """


@dataclass(frozen=True)
class Registration:
    """What is to be registered; see `register`."""

    name: str
    program: Any
    alias: str | None = None
    prompts: bool = True
    code_paths: Sequence[str] = ()
    pip_requirements: Sequence[str] = ()
