"""Runs that accept no further data: deleted in MLflow, or removed permanently by `mlflow gc`."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Final

_logger = logging.getLogger(__name__)

# Only the beginning of a message: a rejection quotes user data. A server's client puts the error code before it.
_DELETED: Final = re.compile(r"(?:[A-Z_]+: )?The run (\S+) must be in (?:the )?'active'")
"""Messages of MLflow's database stores and of its file stores on a deleted run."""
_MISSING: Final = re.compile(r"(?:[A-Z_]+: )?Run (?:with id=|')([^\s']+)'? not found")
"""Messages of the same stores on a run that does not exist."""
_SCORES: Final = "MLflow has deleted the scores that its traces had."
"""Restoring the run does not bring them back (3.17.2, `_mark_run_deleted` of `store/tracking/sqlalchemy_store.py`)."""


@dataclass(frozen=True, slots=True)
class UnusableRun:
    """A run that accepts no further data.

    Attributes:
        run_id: its id.
        deleted: whether it can be restored; otherwise it does not exist.
    """

    run_id: str
    deleted: bool


def unusable_run(error: BaseException) -> UnusableRun | None:
    """Return the run that MLflow names as the reason of an error; None if it has another reason."""
    text = str(error)
    if found := _DELETED.match(text):
        return UnusableRun(found[1], deleted=True)
    found = _MISSING.match(text)
    return UnusableRun(found[1], deleted=False) if found else None


class UnusableRunLog:
    """Logs a warning for each unusable run of one destination, and what else is not written to it at DEBUG level."""

    def __init__(self, address: str, *, spooled: bool) -> None:
        """Create a log.

        Args:
            address: tracking URI without passwords.
            spooled: operations on a deleted run are kept in the spool.
        """
        self._address = address
        self._spooled = spooled
        self._warned: set[str] = set()

    def log(self, run: UnusableRun, what: str) -> None:
        """Log that an operation on the run is not written.

        Args:
            run: the run.
            what: name of the operation.
        """
        _logger.debug("MLflow at %s: %s is not written to run %s", self._address, what, run.run_id)
        if run.run_id in self._warned:
            return
        self._warned.add(run.run_id)
        if not run.deleted:
            state, then = "does not exist any more", "to it, and its data is not kept."
        elif self._spooled:
            state = "was deleted, alone or with its experiment,"
            then = (
                "to it. The rest of its data is kept in the spool: restore it in MLflow, then run `otel-dspy replay`. "
                + _SCORES
            )
        else:
            state = "was deleted, alone or with its experiment,"
            then = (
                "to it until it is restored there. What arrives meanwhile is rejected; a bridge with a queue writes it "
                "at its next start. " + _SCORES
            )
        _logger.warning("Run %s %s in MLflow at %s: nothing more is written %s", run.run_id, state, self._address, then)
