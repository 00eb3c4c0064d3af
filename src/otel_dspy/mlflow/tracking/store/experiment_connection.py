"""Connection to one experiment, opened by the first operation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.tracking.requests.error_classification import experiment_access, tracking_store_access
from otel_dspy.mlflow.tracking.store import capabilities
from otel_dspy.mlflow.tracking.store.store import Store

if TYPE_CHECKING:
    from otel_dspy.mlflow.records.route import Destination
    from otel_dspy.mlflow.tracking.store.store_reader import StoreReader

_UNUSUAL: Final = len(str(2**31))
"""Digits of an id that the store is asked for first: PostgreSQL takes 31 bits, SQLite 63, and what they answer to more
is not a rejection of the experiment, unlike the answer to an id that does not exist.
"""


class Connection:
    """Tracking store and id of a destination's experiment. Every method may raise errors of MLflow's transports."""

    def __init__(self, destination: Destination) -> None:
        self.destination = destination
        self._opened: tuple[Store, str] | None = None
        self._reader: StoreReader | None = None

    @property
    def opened(self) -> bool:
        """Whether the store is open and the experiment is known."""
        return self._opened is not None

    def store(self) -> Store:
        """Return the tracking store."""
        return self._open()[0]

    def experiment_id(self) -> str:
        """Return the id of the experiment, which is created if it does not exist."""
        return self._open()[1]

    def reader(self) -> StoreReader:
        """Return the reader of the tracking store. Requires MLflow 3."""
        if self._reader is None:
            from otel_dspy.mlflow.tracking.store.store_reader import StoreReader  # noqa: PLC0415 - MLflow 2 has no traces

            self._reader = StoreReader(self.destination.tracking_uri)
        return self._reader

    def ping(self) -> None:
        """Send a request that a healthy store accepts."""
        self.store().ping(self.experiment_id())

    def _open(self) -> tuple[Store, str]:
        if self._opened is None:
            capabilities.report_missing()  # before MLflow sets up its database, and logging with it
            with tracking_store_access():
                store = Store(self.destination.tracking_uri)
                self._opened = (store, self._experiment_id(store))
        return self._opened

    def _experiment_id(self, store: Store) -> str:
        where = self.destination.experiment
        if where.id is not None:
            if where.id.isdecimal() and len(where.id) >= _UNUSUAL:
                with experiment_access():
                    store.ping(where.id)
            return where.id
        with experiment_access():
            return store.experiment_id(where.name or "Default")
