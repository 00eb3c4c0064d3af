"""Creation of runs by concurrent writers (see `creation_lock`).

The run tag of a claim has the prefix `claim/` until the claim is settled. A database whose transactions follow one
another needs no claim: the run is created and looked up in one transaction, which is undone if another has the run too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.bridge.multi_writer import creation_lock
from otel_dspy.mlflow.mapping import naming
from otel_dspy.mlflow.tracking.requests.ignored_error import IgnoredError
from otel_dspy.mlflow.tracking.state.run_lookup import RUN_TAG, run_tag
from otel_dspy.mlflow.tracking.store.store import RunHandle
from otel_dspy.runtime.fork_gate import ForkGate

if TYPE_CHECKING:
    from otel_dspy.mlflow.mapping.run_keys import RunKey
    from otel_dspy.mlflow.tracking.state.run_lookup import NewRun
    from otel_dspy.mlflow.tracking.store.experiment_connection import Connection
    from otel_dspy.mlflow.tracking.store.store_reader import FoundRun

CLAIM: Final = "claim/"


class _SharedRunError(Exception):
    """Another writer has the run, or claims it."""


class ConcurrentRunCreation:
    """Creation of runs in one experiment with several writers."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._claims: dict[RunKey, str] = {}
        """Ids of this writer's undecided claims."""
        self._gate = ForkGate()

    def create(self, new: NewRun) -> RunHandle:
        """Create the run in MLflow, or return the one that another writer has created at the same time."""
        run, store = new.key, self._connection.store()
        if store.serial and run not in self._claims and (made := self._created_alone(new)) is not None:
            return made
        chosen: FoundRun | None = None
        while chosen is None:
            if run not in self._claims:
                claimed = {RUN_TAG: CLAIM + run_tag(run)} | dict(new.tags)
                made = store.create_run(self._connection.experiment_id(), new.name, new.start_ms, claimed)
                self._claims[run] = made.run_id
            chosen = creation_lock.decided(
                self._claims[run],
                lambda: self._candidates(run),
                lambda claim_id: self._give_up(run, claim_id),
                lambda claim: self._settle(run, claim),
                creation_lock.CLAIM_TIMEOUT,
            )
            if chosen is None or chosen.run_id != self._claims[run]:
                store.delete_run(self._claims[run])
                del self._claims[run]
        if run in self._claims:
            del self._claims[run]
        elif not new.placeholder:
            # The tags of the deleted claim are logged on the settled run.
            store.log_run(chosen.run_id, {}, [], {naming.RUN_NAME: new.name} | dict(new.tags))
        return RunHandle(chosen.run_id, chosen.artifact_uri)

    def delete_claims(self, compile_id: str) -> None:
        """Delete claims on the compile's runs that others have settled.

        A writer that is killed leaves them, and one whose request MLflow answers after the client has given it up.

        Args:
            compile_id: id of the compile.
        """
        store, experiment_id = self._connection.store(), self._connection.experiment_id()
        for claim in self._connection.reader().runs_like(experiment_id, RUN_TAG, f"{CLAIM}%{compile_id}%"):
            wanted = claim.tags[RUN_TAG].removeprefix(CLAIM)
            if store.find_run(experiment_id, RUN_TAG, wanted) is not None:
                store.delete_run(claim.run_id)

    def _created_alone(self, new: NewRun) -> RunHandle | None:
        """Create the run in one transaction; None if it failed, or was undone because another writer has the run."""
        store = self._connection.store()
        made: list[RunHandle] = []

        def write() -> None:
            tags = {RUN_TAG: run_tag(new.key)} | dict(new.tags)
            made.append(store.create_run(self._connection.experiment_id(), new.name, new.start_ms, tags))
            settled, claims = self._candidates(new.key)
            if claims or [found.run_id for found in settled] != [made[0].run_id]:
                raise _SharedRunError

        return made[0] if store.together([write], self._gate) else None

    def _give_up(self, run: RunKey, claim_id: str) -> bool:
        """Delete a claim; return False if its writer has settled it, which is then kept or restored."""
        store = self._connection.store()
        # Looked up first: while a settled run is deleted, a third writer would find none and settle another.
        if self._is_settled(run, claim_id):
            return False
        store.delete_run(claim_id)
        # A deleted run cannot be settled any more, so that this is final.
        if not self._is_settled(run, claim_id):
            return True
        store.restore_run(claim_id)
        return False

    def _is_settled(self, run: RunKey, claim_id: str) -> bool:
        return self._connection.store().run_tags(claim_id).get(RUN_TAG) == run_tag(run)

    def _settle(self, run: RunKey, claim: FoundRun) -> bool:
        # Rejected if another writer has timed out waiting for this claim, deleted it and settled its own.
        with IgnoredError("INVALID_PARAMETER_VALUE"):
            self._connection.store().log_run(claim.run_id, {}, [], {RUN_TAG: run_tag(run)})
            return True
        return False

    def _candidates(self, run: RunKey) -> tuple[list[FoundRun], list[FoundRun]]:
        """Return settled runs and claims."""
        wanted = run_tag(run)
        found = self._connection.reader().runs_like(self._connection.experiment_id(), RUN_TAG, f"%{wanted}")
        settled = [one for one in found if one.tags.get(RUN_TAG) == wanted]
        return settled, [one for one in found if one.tags.get(RUN_TAG) == CLAIM + wanted]
