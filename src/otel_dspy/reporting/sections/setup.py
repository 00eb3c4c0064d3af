"""Setup of the optimization: parameters, data, and how to load the winner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from otel_dspy.formatting.counted_nouns import counted
from otel_dspy.reporting.sections.predictions import value_text

if TYPE_CHECKING:
    from otel_dspy.reporting.compile_result import Compile


@dataclass(frozen=True)
class Setup:
    """What the optimization was started with."""

    parameters: tuple[tuple[str, str], ...]
    examples: str
    """How many examples the trials are scored on, and of which set; empty if that is not known."""
    seeds: tuple[tuple[str, str], ...]
    """Parameters with `seed` in their names."""
    load: str
    """Python code that loads the winner; empty if there is none, or if it is not in MLflow."""
    trained: tuple[str, ...]
    """Models that the optimizer trained for the returned program: no model is part of the saved state."""


def setup(found: Compile) -> Setup:
    """Return the setup of an optimization."""
    parameters = tuple((name, value_text(value)) for name, value in sorted(found.parameters.items()))
    seeds = tuple((name, value) for name, value in parameters if "seed" in name)
    return Setup(parameters, _examples(found), seeds, _load(found), _trained(found))


def _examples(found: Compile) -> str:
    if not found.examples:
        return ""
    text = counted(len(found.examples), f"{found.scored_on} example")
    scored = any(trial.row.score is not None for trial in found.trials)
    return (
        f"{text}, on which trials are scored: there is no separate validation set"
        if found.scored_on == "training" and scored
        else text
    )


def _trained(found: Compile) -> tuple[str, ...]:
    models = [trial.row.parameters.get("finetuned_model") for trial in found.trials if trial.row.state == "complete"]
    if found.optimizer == "GRPO" and found.winner is not None and found.winner.row.kind == "step":
        models.append(found.winner.row.parameters.get("model"))
    return tuple(dict.fromkeys(str(model) for model in models if model is not None))


def _new_program(found: Compile) -> str:
    if found.optimizer != "Ensemble":
        return f"program = {found.program}(...)  # a new instance of the program\n"
    # The state is that of the ensemble, which DSPy's optimizer alone makes.
    return (
        "from dspy.teleprompt import Ensemble\n\n"
        f"programs = [{found.program}(...), ...]  # new instances, as many and in the order of those given\n"
        "program = Ensemble(...).compile(programs)\n"
    )


def _load(found: Compile) -> str:
    if not found.run_id:
        return ""
    if found.status != "FINISHED":  # it may have no `best_model.json`
        if found.winner is None and not found.best_program:
            return ""
        store = f", tracking_uri={found.tracking_uri!r}" if found.tracking_uri else ""
        return (
            "import otel_dspy\n\n"
            f"best = otel_dspy.best_program({found.run_id!r}, {found.program}(...){store})\n"
            "program = best.program\n"
        )
    store = f"mlflow.set_tracking_uri({found.tracking_uri!r})\n" if found.tracking_uri else ""
    return (
        f"import mlflow\n\n{store}"
        f'path = mlflow.artifacts.download_artifacts(run_id={found.run_id!r}, artifact_path="best_model.json")\n'
        f"{_new_program(found)}program.load(path)\n"
    )
