"""Instructions of a program's predictors as versions of registered prompts."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from otel_dspy import semconv

if TYPE_CHECKING:
    from mlflow.entities import Run

PROMPTS: Final = all(
    hasattr(MlflowClient, name) for name in ("register_prompt", "get_prompt", "link_prompt_version_to_run")
)
"""MLflow's prompt registry."""
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9_.\-]+")
_EXPERIMENTS: Final = "_mlflow_experiment_ids"
"""Tag by which MLflow's page of an experiment finds its prompts: their ids between commas (MLflow 3.17,
mlflow/prompt/constants.py)."""


def register_prompts(client: MlflowClient, name: str, run: Run, program: Any) -> tuple[str, ...]:  # noqa: ANN401 - a dspy.Module
    """Register the instructions of each predictor and link them to the run; return `NAME/VERSION` of each.

    Args:
        client: client of the store.
        name: beginning of the prompts' names; the predictor's path follows.
        run: the optimization's run.
        program: the program.
    """
    registered: list[str] = []
    for path, predictor in program.named_predictors():
        text = str(predictor.signature.instructions or "")
        if not text:
            continue
        prompt_name = _NOT_IN_NAMES.sub("_", f"{name}.{path}").strip("_.")
        prompt: Any = cast("Any", client).register_prompt(
            name=prompt_name,
            template=text,
            commit_message=f"{run.data.tags.get(semconv.DSPY_OPTIMIZER_NAME)}, run {run.info.run_id}",
            tags={_EXPERIMENTS: _experiments(client, prompt_name, str(run.info.experiment_id))},
        )
        cast("Any", client).link_prompt_version_to_run(run.info.run_id, prompt)
        registered.append(f"{prompt.name}/{prompt.version}")
    return tuple(registered)


def _experiments(client: MlflowClient, name: str, experiment_id: str) -> str:
    """Return the tag's value with the run's experiment added."""
    try:
        found: Any = cast("Any", client).get_prompt(name)
    except MlflowException:
        found = None
    tags: dict[str, str] = (found.tags or {}) if found is not None else {}
    ids = [one for one in tags.get(_EXPERIMENTS, "").split(",") if one]
    return f",{','.join(dict.fromkeys([*ids, experiment_id]))},"
