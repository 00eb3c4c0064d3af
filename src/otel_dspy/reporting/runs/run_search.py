"""Search for the run of an optimization: by its id, or the latest one of a store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import unquote

from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

from otel_dspy import semconv
from otel_dspy.mlflow.mapping.naming import PARENT_RUN
from otel_dspy.mlflow.tracking.store.paging import every_page
from otel_dspy.mlflow.tracking_uri import without_passwords
from otel_dspy.reporting.errors import ReportError
from otel_dspy.reporting.latest import LATEST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow import MlflowClient
    from mlflow.entities import Experiment, Run

_SQLITE: Final = "sqlite:///"
_PAGE: Final = 100
_EXPERIMENTS_AT_ONCE: Final = 100


def check_store(tracking_uri: str) -> None:
    """Check that a local store exists, because MLflow creates one that does not.

    Raises:
        ReportError: There is no such store, or the URI is the path of a file, which MLflow reads as a folder of its
            file store.
    """
    if Path(tracking_uri).is_file():
        raise ReportError(f"{tracking_uri} is a file. If it is an SQLite database, name it {_SQLITE}{tracking_uri}.")
    path = unquote(tracking_uri.removeprefix(_SQLITE).partition("?")[0])
    if tracking_uri.startswith(_SQLITE) and path and ":memory:" not in path and not Path(path).exists():
        raise ReportError(
            f"There is no MLflow store at {without_passwords(tracking_uri)}. "
            "Name it with --tracking-uri, or set MLFLOW_TRACKING_URI."
        )


def find_run(client: MlflowClient, run: str, experiment: str | None = None) -> Run:
    """Return the run of an optimization.

    Args:
        client: client of the store.
        run: id of the run, or `latest` for the optimization that started last.
        experiment: name of the experiment in which `latest` searches; None for all.

    Raises:
        ReportError: There is no such run, or it is not that of an optimization.
    """
    return _latest(client, experiment) if run == LATEST else _by_id(client, run)


def child_runs(client: MlflowClient, run: Run) -> Iterator[Run]:
    """Yield the child runs of a run, in pages."""
    wanted = f"tags.`{PARENT_RUN}` = '{run.info.run_id}'"
    yield from every_page(
        lambda token: cast(
            "Any", client.search_runs([run.info.experiment_id], wanted, max_results=_PAGE, page_token=token)
        )
    )


def _by_id(client: MlflowClient, run_id: str) -> Run:
    try:
        run = client.get_run(run_id)
    except MlflowException as error:
        if error.error_code not in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
            raise
        raise ReportError(
            f"There is no run {run_id!r} in {_store(client)}. Name a run by its id, which MLflow's page of the run "
            "shows, or `latest`; name another store with --tracking-uri."
        ) from None
    tags = run.data.tags
    if semconv.DSPY_OPTIMIZER_NAME in tags:
        return run
    if semconv.DSPY_TRIAL_INDEX in tags and PARENT_RUN in tags:
        raise ReportError(
            f"Run {run_id} is trial {tags[semconv.DSPY_TRIAL_INDEX]} of an optimization, whose own run is "
            f"{tags[PARENT_RUN]}: otel-dspy report {tags[PARENT_RUN]}"
        )
    raise ReportError(
        f"Run {run_id} ({run.info.run_name}) is not an optimization recorded by otel-dspy: it has no tag "
        f"{semconv.DSPY_OPTIMIZER_NAME}."
    )


def _latest(client: MlflowClient, experiment: str | None) -> Run:
    latest = latest_run(client, experiment)
    if latest is not None:
        return latest
    where = f"experiment {experiment!r} of {_store(client)}" if experiment else _store(client)
    raise ReportError(f"There is no optimization recorded by otel-dspy in {where}.")


def latest_run(client: MlflowClient, experiment: str | None, condition: str | None = None) -> Run | None:
    """Return the outermost optimization that started last; None if there is none.

    Args:
        client: client of the store.
        experiment: name of the experiment that is searched; None for all.
        condition: what it has to fulfill, as a filter of MLflow's.

    Raises:
        ReportError: There is no experiment of this name.
    """
    experiments = searched_experiments(client, experiment)
    wanted = f"tags.`{semconv.DSPY_OPTIMIZER_NAME}` != ''" + (f" and {condition}" if condition else "")
    latest: list[Run] = []
    for first in range(0, len(experiments), _EXPERIMENTS_AT_ONCE):
        ids = experiments[first : first + _EXPERIMENTS_AT_ONCE]
        found = every_page(
            lambda token, ids=ids: cast(
                "Any",
                client.search_runs(ids, wanted, ViewType.ACTIVE_ONLY, _PAGE, ["attributes.start_time DESC"], token),
            )
        )
        outermost = (run for run in found if semconv.DSPY_COMPILE_PARENT_ID not in run.data.tags)
        latest += [run for run in [next(outermost, None)] if run is not None]
    return max(latest, key=lambda run: run.info.start_time or 0, default=None)


def searched_experiments(client: MlflowClient, name: str | None) -> list[str]:
    """Return the ids of the experiments to search: the one of this name, or all.

    Raises:
        ReportError: There is no experiment of this name.
    """
    if name is not None:
        found: Experiment | None = client.get_experiment_by_name(name)
        if found is None:
            raise ReportError(f"There is no experiment {name!r} in {_store(client)}.")
        return [str(found.experiment_id)]
    pages = every_page(lambda token: cast("Any", client).search_experiments(max_results=_PAGE, page_token=token))
    return [str(experiment.experiment_id) for experiment in pages]


def _store(client: MlflowClient) -> str:
    return without_passwords(str(cast("Any", client).tracking_uri))
