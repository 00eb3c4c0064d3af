"""Creation of runs by concurrent writers (see `creation_lock`).

The run tag of a claim has the prefix `claim/` until the claim is settled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from mlflow.exceptions import MlflowException
from typing_extensions import override

from otel_dspy.bridge.multi_writer import creation_lock
from otel_dspy.mlflow.mapping import naming
from otel_dspy.mlflow.tracking.runs import RUN_TAG, Runs, run_tag
from otel_dspy.mlflow.tracking.store import RunHandle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_dspy.mlflow.mapping.operations import RunKey
    from otel_dspy.mlflow.tracking.store import Store
    from otel_dspy.mlflow.tracking.store_reader import FoundRun, StoreReader

CLAIM: Final = "claim/"


class MultiWriterRuns(Runs):
    """Runs of one experiment with several writers."""

    def __init__(self, store: Store, reader: StoreReader, experiment_id: Callable[[], str]) -> None:
        super().__init__(store, experiment_id, look_first=True, own=False)
        self._reader = reader
        self._claims: dict[RunKey, str] = {}
        """Ids of this writer's undecided claims."""

    @override
    def _create(
        self, run: RunKey, name: str, start_ms: int, parent: RunKey | None, tags: Mapping[str, str]
    ) -> RunHandle:
        about = self._parent_tag(parent, start_ms) | dict(tags)
        chosen: FoundRun | None = None
        while chosen is None:
            if run not in self._claims:
                claimed = {RUN_TAG: CLAIM + run_tag(run)} | about
                self._claims[run] = self._store.create_run(self._experiment_id(), name, start_ms, claimed).run_id
            chosen = creation_lock.decided(
                self._claims[run],
                lambda: self._candidates(run),
                self._store.delete_run,
                lambda claim: self._settle(run, claim),
                creation_lock.PATIENCE,
            )
            if chosen is None or chosen.run_id != self._claims[run]:
                self._store.delete_run(self._claims[run])
                del self._claims[run]
        if run in self._claims:
            del self._claims[run]
        elif tags:
            # The tags of the deleted claim are logged on the settled run.
            self._store.log_run(chosen.run_id, {}, [], {naming.RUN_NAME: name} | about)
        return self._remember(run, RunHandle(chosen.run_id, chosen.artifact_uri))

    def _settle(self, run: RunKey, claim: FoundRun) -> None:
        try:
            self._store.log_run(claim.run_id, {}, [], {RUN_TAG: run_tag(run)})
        except MlflowException as error:
            # Another writer has timed out waiting for this claim, deleted it and settled its own.
            if error.error_code != "INVALID_PARAMETER_VALUE":
                raise

    def _candidates(self, run: RunKey) -> tuple[list[FoundRun], list[FoundRun]]:
        """Return settled runs and claims."""
        wanted = run_tag(run)
        found = self._reader.runs_like(self._experiment_id(), RUN_TAG, wanted)
        settled = [one for one in found if one.tags.get(RUN_TAG) == wanted]
        return settled, [one for one in found if one.tags.get(RUN_TAG) == CLAIM + wanted]
