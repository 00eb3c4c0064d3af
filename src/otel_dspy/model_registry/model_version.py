"""Versions of registered models that are made of an optimization's run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from otel_dspy import semconv

if TYPE_CHECKING:
    from mlflow.entities import Run
    from mlflow.entities.model_registry import ModelVersion

LOGGED_MODELS: Final = hasattr(MlflowClient, "log_model_artifacts") and hasattr(MlflowClient, "create_logged_model")
"""Models as entities with metrics, which MLflow 3.0 added; else the files are an artifact of the run."""
_FOLDER: Final = "registered_model"
_EXISTS: Final = "RESOURCE_ALREADY_EXISTS"


def existing_version(client: MlflowClient, name: str, run: Run, program_id: str | None) -> ModelVersion | None:
    """Return the version of that model that has the run's program already; None without one.

    Args:
        client: client of the store.
        name: name of the registered model.
        run: the optimization's run.
        program_id: id of its best program.
    """
    if program_id is None:
        return None
    wanted = f"name='{name}' and run_id='{run.info.run_id}'"
    found = client.search_model_versions(wanted, order_by=["version_number DESC"])
    return next((one for one in found if one.tags.get(semconv.DSPY_PROGRAM_ID) == program_id), None)


def create_version(
    client: MlflowClient, name: str, run: Run, folder: str, description: str
) -> tuple[ModelVersion, str | None]:
    """Upload a model's files and create a version of the registered model, which is created if it does not exist.

    Returns the version and the id of its LoggedModel, None where MLflow has none.

    Args:
        client: client of the store.
        name: name of the registered model.
        run: the optimization's run.
        folder: the files.
        description: text of the version.

    Raises:
        mlflow.exceptions.MlflowException: The store rejected it.
    """
    model_id = _upload(client, run, folder)
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        if error.error_code != _EXISTS:
            raise
    tags = {
        key: run.data.tags[key]
        for key in (semconv.DSPY_COMPILE_ID, semconv.DSPY_PROGRAM_ID, semconv.DSPY_OPTIMIZER_NAME)
        if key in run.data.tags
    }
    source = f"{run.info.artifact_uri}/{_FOLDER}" if model_id is None else f"models:/{model_id}"
    given: dict[str, Any] = {} if model_id is None else {"model_id": model_id}
    version = client.create_model_version(name, source, run.info.run_id, tags, description=description, **given)
    return version, model_id


def _upload(client: MlflowClient, run: Run, folder: str) -> str | None:
    """Upload the files to the run's model, or to the run; return the model's id."""
    if not LOGGED_MODELS:
        client.log_artifacts(run.info.run_id, folder, _FOLDER)
        return None
    outputs = run.outputs.model_outputs if run.outputs is not None else []
    if outputs:
        # The one that was logged with the run, which has the program's state.
        found = str(outputs[0].model_id)
        client.log_model_artifacts(found, folder)
        return found
    model = client.create_logged_model(
        run.info.experiment_id, _model_name(run), source_run_id=run.info.run_id, model_type="dspy"
    )
    client.log_model_artifacts(model.model_id, folder)
    client.finalize_logged_model(model.model_id, "READY")
    return str(model.model_id)


def _model_name(run: Run) -> str:
    return "-".join(
        run.data.tags.get(key, "unknown") for key in (semconv.DSPY_OPTIMIZER_NAME, semconv.DSPY_PROGRAM_NAME)
    )
