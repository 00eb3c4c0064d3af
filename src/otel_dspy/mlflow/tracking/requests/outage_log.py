"""Log of one MLflow server's outages and rejections: one warning for each."""

from __future__ import annotations

import logging
import time
from typing import Final

from otel_dspy.mlflow.mapping import naming
from otel_dspy.mlflow.tracking.requests.error_cause import (
    WHILE_DENIED,
    WHILE_MISSING,
    error_cause,
    is_locked,
    missing_module,
    tls_failure_of,
)
from otel_dspy.mlflow.tracking.requests.tls_errors import WHAT_TO_DO
from otel_dspy.mlflow.tracking_uri import without_passwords
from otel_dspy.runtime.fork_gate import ForkGate

_logger = logging.getLogger(__name__)

SILENCE: Final = 60.0
"""Seconds after a warning in which the next outage is logged at DEBUG level: a proxy may fail intermittently for hours.
"""
_ALL_IN_THE_SPOOL: Final = "No data is lost: spans are kept in the spool until then."
_WHILE_AWAY: Final = "Start MLflow there, or correct the tracking URI."
_WHILE_LOCKED: Final = "If this lasts, end the process that has the database open, or give it one of its own."
_THE_CLIENT_RETRIES: Final = "No data is lost: spans are kept by the clients, or in the queue on disk, until then."


class OutageLog:
    """Logs warnings about one destination, and keeps since when it has been failing."""

    def __init__(self, address: str, gate: ForkGate, *, spooled: bool) -> None:
        """Create a log.

        Args:
            address: tracking URI without passwords, and the workspace.
            gate: held while a line is logged.
            spooled: whether what is not sent is kept in the spool; else the client sends it again.
        """
        self._address = address
        self._gate = gate
        self._monitor_gate = ForkGate()
        self._spooled = spooled
        self._warned_kinds: set[str] = set()
        self._warned: float | None = None
        self.failing_since: float | None = None
        """`time.monotonic()` of the first failure since the last success; None if there is none."""

    def failed(self, error: Exception, *, denied: bool = False) -> None:
        """Log the beginning of an outage; nothing during one.

        Args:
            error: the failure.
            denied: whether MLflow, or a proxy before it, rejects the credentials.
        """
        now = time.monotonic()
        if self.failing_since is None:
            self.failing_since = now
            again = self._warned is not None and now - self._warned < SILENCE
            self._warned = self._warned if again else now
            with self._gate:
                _logger.log(
                    logging.DEBUG if again else logging.WARNING,
                    "MLflow at %s is unavailable; retrying with back-off (%s). No data is lost. %s",
                    self._address,
                    error_cause(error, naming.MAX_PREVIEW),
                    WHILE_DENIED if denied else _what_to_do(error),
                )

    def succeeded(self) -> None:
        """Log the end of an outage, if there is one."""
        since = self.failing_since
        if since is not None:
            self.failing_since = None
            with self._gate:
                _logger.info("MLflow at %s is available again after %.0f s", self._address, time.monotonic() - since)

    def unanswered(self, seconds: float) -> None:
        """Log that a request has not been answered for so long. Called by another thread while the request waits."""
        now = time.monotonic()
        if self._warned is None or now - self._warned >= SILENCE:
            self._warned = now
            # Not the gate of the attempt, which is held while the request waits.
            with self._monitor_gate:
                _logger.warning(
                    "MLflow at %s has not answered for %.0f s; still waiting for it. %s If it hangs, restart it.",
                    self._address,
                    seconds,
                    _ALL_IN_THE_SPOOL if self._spooled else _THE_CLIENT_RETRIES,
                )

    def warn_once(self, kind: str, message: str) -> None:
        """Log a message, once for each kind: the same operation may be rejected a thousand times."""
        if kind not in self._warned_kinds:
            self._warned_kinds.add(kind)
            with self._gate:
                _logger.warning("%s", without_passwords(f"MLflow at {self._address} {message}")[: naming.MAX_PREVIEW])


def _what_to_do(error: Exception) -> str:
    if is_locked(error):
        return _WHILE_LOCKED
    if (missing := missing_module(error)) is not None:
        return WHILE_MISSING % missing
    failure = tls_failure_of(error)
    return _WHILE_AWAY if failure is None else WHAT_TO_DO[failure.remedy]
