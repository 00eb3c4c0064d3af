"""Runs that several writers may be about to create: one of them does.

MLflow has no run that is created only if there is none. So a run is born as a claim: its tag says `claim/…` until it is
settled, and only a settled run is ever found. Who sees a settled one takes that; who sees a claim with a smaller id
gives up its own; who has the smallest waits until all others have given up or one has settled. A claim that nobody
settles, because its writer is gone, is settled by whoever waits for it, after `PATIENCE`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from mlflow.exceptions import MlflowException
from typing_extensions import override

from otel_dspy.mlflow.mapping import naming
from otel_dspy.mlflow.tracking.runs import RUN_TAG, Runs, run_tag
from otel_dspy.mlflow.tracking.store import RunHandle

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_dspy.mlflow.mapping.operations import RunKey
    from otel_dspy.mlflow.tracking.store import Store
    from otel_dspy.mlflow.tracking.store_reader import FoundRun, StoreReader

CLAIM: Final = "claim/"
PATIENCE: Final = 10.0
"""Seconds after which the writer of a claim counts as gone."""
PAUSE: Final = 0.1


class SharedRuns(Runs):
    """The runs of one experiment that others write too."""

    def __init__(self, store: Store, reader: StoreReader, experiment_id: Callable[[], str]) -> None:
        super().__init__(store, experiment_id, look_first=True, own=False)
        self._reader = reader
        self._claims: dict[RunKey, str] = {}
        """Ids of claims of ours that are not decided."""

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
            chosen = self._decided(run, self._claims[run])
            if chosen is None or chosen.run_id != self._claims[run]:
                self._store.delete_run(self._claims[run])
                del self._claims[run]
        if run in self._claims:
            del self._claims[run]
        elif tags:
            # What was known here must not go with the claim.
            self._store.log_run(chosen.run_id, {}, [], {naming.RUN_NAME: name} | about)
        return self._remember(run, RunHandle(chosen.run_id, chosen.artifact_uri))

    def _decided(self, run: RunKey, own: str) -> FoundRun | None:
        """The run that all take; None if there is not even a claim any more, so that all begins anew."""
        deadline = time.monotonic() + PATIENCE
        while True:
            settled, claims = self._candidates(run)
            if settled:
                return settled[0]
            if not claims:
                return None
            smallest, *others = claims
            if smallest.run_id != own:
                self._store.delete_run(own)
            if (smallest.run_id == own and not others) or time.monotonic() >= deadline:
                self._settle(run, smallest, others)
            else:
                time.sleep(PAUSE)

    def _settle(self, run: RunKey, smallest: FoundRun, others: list[FoundRun]) -> None:
        for gone in others:
            self._store.delete_run(gone.run_id)
        try:
            self._store.log_run(smallest.run_id, {}, [], {RUN_TAG: run_tag(run)})
        except MlflowException as error:
            # Somebody who has waited for us too long has deleted it, and settled another.
            if error.error_code != "INVALID_PARAMETER_VALUE":
                raise

    def _candidates(self, run: RunKey) -> tuple[list[FoundRun], list[FoundRun]]:
        """Settled runs and claims, the smallest id first."""
        wanted = run_tag(run)
        found = sorted(self._reader.runs_like(self._experiment_id(), RUN_TAG, wanted), key=lambda one: one.run_id)
        settled = [one for one in found if one.tags.get(RUN_TAG) == wanted]
        return settled, [one for one in found if one.tags.get(RUN_TAG) == CLAIM + wanted]
