"""The steps of a registration."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
from mlflow.exceptions import MlflowException

from otel_dspy import semconv
from otel_dspy.mlflow.tracking.requests.error_cause import message_of
from otel_dspy.mlflow.tracking_uri import without_passwords
from otel_dspy.model_registry.current_store import current_store
from otel_dspy.model_registry.errors import RegistryError
from otel_dspy.model_registry.model_files import write_model
from otel_dspy.model_registry.model_metrics import log_score
from otel_dspy.model_registry.model_version import create_version, existing_version
from otel_dspy.model_registry.prompts import PROMPTS, register_prompts
from otel_dspy.model_registry.registration_data import Registered
from otel_dspy.rerun.best_program import best_program

if TYPE_CHECKING:
    from typing import Any

    from mlflow.entities import Run

    from otel_dspy.model_registry.registration_data import Registration
    from otel_dspy.rerun.best_program import BestProgram


def registered(run: str, wanted: Registration, tracking_uri: str | None) -> Registered:
    """Register the best program of a run.

    Args:
        run: id of the optimization's run, or `latest`.
        wanted: what is to be registered.
        tracking_uri: the MLflow store; None for MLflow's current one.

    Raises:
        RegistryError: The program is registered, and its alias could not be set.
    """
    uri = tracking_uri or mlflow.get_tracking_uri()
    with current_store(uri):
        return _registered(run, wanted, uri)


def _registered(run: str, wanted: Registration, uri: str) -> Registered:
    best = best_program(run, wanted.program, tracking_uri=uri)
    client = mlflow.MlflowClient(uri)
    found = client.get_run(best.run_id)
    version = existing_version(client, wanted.name, found, found.data.tags.get(semconv.DSPY_PROGRAM_ID))
    created, metrics, prompts = version is None, None, None
    if version is None:
        with tempfile.TemporaryDirectory(prefix="otel-dspy-") as folder:
            files = str(Path(folder, "model"))
            write_model(best.program, files, wanted.code_paths, wanted.pip_requirements)
            version, model_id = create_version(client, wanted.name, found, files, _description(found, best))
        metrics = None if model_id is None else log_score(client, found, model_id)
        if wanted.prompts and PROMPTS:
            prompts = register_prompts(client, wanted.name, found, best.program)
    if wanted.alias is not None:
        _set_alias(client, wanted.name, wanted.alias, str(version.version))
    reference = f"/{version.version}" if wanted.alias is None else f"@{wanted.alias}"
    return Registered(
        name=wanted.name,
        version=int(version.version),
        run_id=best.run_id,
        model_uri=f"models:/{wanted.name}{reference}",
        alias=wanted.alias,
        created=created,
        metrics=metrics,
        prompts=prompts,
    )


def _set_alias(client: mlflow.MlflowClient, name: str, alias: str, version: str) -> None:
    try:
        client.set_registered_model_alias(name, alias, version)
    except MlflowException as error:
        # Only setting an alias checks it, and there is a version by then.
        raise RegistryError(
            f"Version {version} of {name} is registered, but without the alias {alias!r}: "
            f"{without_passwords(message_of(error))} Register it again to set an alias."
        ) from error


def _description(run: Run, best: BestProgram[Any]) -> str:
    text = f"{run.info.run_name}, run {run.info.run_id}"
    return text if best.score is None else f"{text}: {best.score:g}{' %' if best.unit == 'percent' else ''}"
