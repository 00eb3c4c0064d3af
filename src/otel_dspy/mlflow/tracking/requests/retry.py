"""Retry policy for MLflow requests: exponential back-off with jitter."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar

from otel_dspy.mlflow.tracking.requests import http_policy, workspaces
from otel_dspy.mlflow.tracking.requests.answer_monitor import AnswerMonitor
from otel_dspy.mlflow.tracking.requests.error_cause import message_of, too_large_text
from otel_dspy.mlflow.tracking.requests.error_classification import ArtifactStoreError, ErrorClass, classify
from otel_dspy.mlflow.tracking.requests.failure_counts import FailureCounts
from otel_dspy.mlflow.tracking.requests.operation_outcome import Outcome, Result
from otel_dspy.mlflow.tracking.requests.outage_log import OutageLog
from otel_dspy.mlflow.tracking.requests.unusable_run import UnusableRunLog, unusable_run
from otel_dspy.mlflow.tracking_uri import address_without_passwords
from otel_dspy.runtime.fork_gate import ForkGate

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from threading import Event

Value = TypeVar("Value")

_chance: Final = random.Random()  # noqa: S311 - jitter, no secret; never the generator that a user may have seeded

FIRST_PAUSE: Final = 0.25
LONGEST_PAUSE: Final = 5.0
"""First and longest pause between attempts in seconds: doubled each time, half of it random. The longest bounds how
late a recovered server is noticed.
"""
MAX_RETRIES: Final = 6
"""Maximum attempts of an operation that the server fails at while it accepts others: about 8 s."""
MAX_AMBIGUOUS: Final = 3
"""Consecutive attempts with an error that may be the database's or the request's, after which it is the request's."""
ARTIFACT_TRIES: Final = 3
"""Maximum attempts of an operation whose artifact store is unavailable while the tracking store is not."""
FAILED_LATELY: Final = 300.0
"""Seconds after such a failure in which the destination's operations are attempted once if other destinations are
queued, and those that the database ends less often.
"""
_NO_DESTINATION: Final = frozenset({ErrorClass.NO_EXPERIMENT, ErrorClass.NO_WORKSPACE})
_IN_THE_SPOOL: Final = "it is kept in the spool for `otel-dspy replay`"


class Stopped(BaseException):
    """The deadline has passed and the operation is not done.

    Not an `Exception`, so that it is never handled as a failure of MLflow.
    """


class Backoff:
    """Pauses between attempts, in seconds: `FIRST_PAUSE`, doubled each time up to `LONGEST_PAUSE`, half random."""

    def __init__(self) -> None:
        self._pause = FIRST_PAUSE

    def next(self, retry_after: float | None = None) -> float:
        """The next pause.

        Args:
            retry_after: seconds that the server asked for; the pause is never shorter.
        """
        # Half of the pause is random, so that many clients do not retry at the same time.
        chosen = self._pause * (0.5 + _chance.random() / 2)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        return max(chosen, retry_after or 0.0)


class Retrier:
    """Retries operations on one destination."""

    def __init__(
        self,
        address: str,
        stop: Event,
        answers: Callable[[], None],
        *,
        workspace: str | None = None,
        others: bool = False,
    ) -> None:
        """Create a retrier.

        Args:
            address: tracking URI, for log messages.
            stop: set when the deadline has passed.
            answers: sends a request that a healthy server accepts; raises if it does not.
            workspace: the destination's workspace; every attempt uses it, whatever the program sets meanwhile.
            others: the thread has other destinations, which a failure here must not block for long; failed operations
                are not spooled, the client sends them again.
        """
        shown = address_without_passwords(address) + (f" (workspace {workspace})" if workspace else "")
        self._workspace = workspace
        self._stop = stop
        self._answers = answers
        self._others = others
        self._gate = ForkGate()
        self._log = OutageLog(shown, self._gate, spooled=not others)
        self._unusable_runs = UnusableRunLog(shown, spooled=not others)
        self._answer_monitor = AnswerMonitor(self._log.unanswered)
        self._failed: float | None = None
        self._denied = False
        self._rejected_by_proxy: set[str] = set()
        """Names of operations whose last request a proxy rejected, while MLflow accepted others."""
        self.artifacts_failed = False
        """The artifact store has failed at an operation since `retry_denied`."""
        self.retries = 0
        """Number of attempts beyond the first of each operation."""

    @property
    def stopped(self) -> bool:
        """Whether the deadline has passed."""
        return self._stop.is_set()

    @property
    def failing_since(self) -> float | None:
        """`time.monotonic()` of the first failure since the last success; None if there is none."""
        return self._log.failing_since

    def awaited(self) -> AbstractContextManager[None]:
        """Return a context for a request to the destination: a warning is logged if the answer takes long."""
        return self._answer_monitor.awaited()

    @property
    def unanswered_since(self) -> float | None:
        """`time.monotonic()` since which a request has been unanswered for too long; None if none has."""
        return self._answer_monitor.unanswered_since

    def retry_denied(self) -> None:
        """Allow new attempts after a denied operation or a failed artifact store."""
        self._denied = self.artifacts_failed = False

    def run(self, what: str, attempt: Callable[[], Value], *, divisible: bool = False) -> Result[Value]:
        """Attempt an operation until it succeeds, is rejected or is given up.

        Args:
            what: name of the operation, for log messages.
            attempt: performs it; may be called repeatedly.
            divisible: whether the caller can attempt parts of it, so that fewer attempts are made of a whole that may
                be too large, and one that is rejected for its size is not logged.

        Returns:
            The outcome, with what `attempt` returned. `FAILED` at once if other destinations are queued and MLflow has
            denied an operation since `retry_denied`.

        Raises:
            Stopped: the deadline has passed.
        """
        if self._denied:
            return Result(Outcome.FAILED)
        counts, backoff = FailureCounts(), Backoff()
        while True:
            value, error = self._once(attempt, counts.total)
            if error is None:
                self._log.succeeded()
                self._rejected_by_proxy.discard(what)
                return Result(Outcome.DONE, value)
            retry_after, by_proxy = http_policy.retry_after(), http_policy.is_foreign()
            found = self._class_of(error, what)
            counts.add(found, answers=found is ErrorClass.ENDED and self._server_answers())
            again = counts.raced >= MAX_RETRIES or counts.ambiguous >= MAX_AMBIGUOUS
            final = self._too_large(found, what, divisible=divisible) or self._final(
                found, error, what, again=again, by_proxy=by_proxy
            )
            if final is not None:
                return final
            apart = isinstance(error, ArtifactStoreError) and self._server_answers()
            given_up = self._artifact_store_failed(found, counts.total) if apart else self._is_the_experiments(found)
            if given_up:
                self._give_up(*self._obstacle(found, what, apart=apart), error, of_artifacts=apart)
                return Result(Outcome.FAILED)
            if counts.are_an_outage(found) and not apart:
                self._log.failed(error, denied=found is ErrorClass.DENIED)
            if divisible and counts.ended >= (1 if self._failed_lately else MAX_AMBIGUOUS):
                return Result(Outcome.FAILED, divisible=True)
            if self._is_the_operations(found, counts):
                self._give_up(what, f"failed to store {what}", error)
                return Result(Outcome.FAILED)
            if self._stop.wait(backoff.next(retry_after)):
                raise Stopped
            self.retries += 1

    def _class_of(self, error: Exception, what: str) -> ErrorClass:
        found = classify(error, http_policy.last_status())
        if found is ErrorClass.REJECTED and http_policy.is_foreign():
            # A proxy answers so while MLflow is redeployed, and MLflow's server where it lacks the path.
            if not self._server_answers():
                return ErrorClass.WAIT
            # Each part of a rejected batch would be delayed by retries, and everything that is queued behind it.
            return ErrorClass.REJECTED if what in self._rejected_by_proxy else ErrorClass.AMBIGUOUS
        return found

    def _final(
        self, found: ErrorClass, error: Exception, what: str, *, again: bool, by_proxy: bool
    ) -> Result[Any] | None:
        """Log an error that no retry can change; return the outcome, None for another error."""
        rejected, run = again or self._is_final(found), unusable_run(error)
        if run is not None:
            self._log.failing_since = None
            with self._gate:
                self._unusable_runs.log(run, what)
            return Result(Outcome.REJECTED if rejected else Outcome.FAILED, unusable_run=True)
        if rejected:
            if by_proxy and found is ErrorClass.AMBIGUOUS:
                self._rejected_by_proxy.add(what)
            self._log.warn_once(what, f"rejected {what}: {message_of(error)}")
            return Result(Outcome.REJECTED)
        return None

    def _too_large(self, found: ErrorClass, what: str, *, divisible: bool) -> Result[Any] | None:
        size = http_policy.too_large()
        if size is None or found is not ErrorClass.REJECTED:
            return None
        if not divisible:
            self._log.warn_once(what, f"rejected {what}: {too_large_text(size)}")
        return Result(Outcome.REJECTED, divisible=divisible)

    def _is_final(self, found: ErrorClass) -> bool:
        # With several clients, spans of a deleted experiment or run would be sent again forever.
        return found is ErrorClass.REJECTED or (found in {*_NO_DESTINATION, ErrorClass.NO_RUN} and self._others)

    def _is_the_operations(self, found: ErrorClass, counts: FailureCounts) -> bool:
        """Whether the server fails at this operation while it accepts others, after enough attempts."""
        # The next span that is as large is given up sooner, so that many of them delay the others little.
        if counts.ended >= (min(self._tries, MAX_AMBIGUOUS) if self._failed_lately else self._tries):
            return True
        return found is ErrorClass.RETRY and counts.own >= self._tries and self._server_answers()

    def _is_the_experiments(self, found: ErrorClass) -> bool:
        """Whether the cause is this experiment or its workspace, and not transient."""
        if found is ErrorClass.DENIED and self._others and self._server_answers():
            self._denied = True
        return self._denied or found in _NO_DESTINATION

    def _obstacle(self, found: ErrorClass, what: str, *, apart: bool) -> tuple[str, str]:
        """Return the key of the warning and its text. `apart`: only the artifact store fails."""
        if apart:
            return what, f"is available, but the artifact store for {what} is not"
        if self._denied:
            return what, f"denied access for {what}"
        missing = "workspace" if found is ErrorClass.NO_WORKSPACE else "usable experiment"
        # It is missing for every operation there: one warning is enough.
        return missing, f"has no {missing} for {what}; restore it or configure another"

    def _artifact_store_failed(self, found: ErrorClass, failures: int) -> bool:
        """Whether to give the operation up because of the artifact store, so that it does not block others."""
        passing = found in {ErrorClass.WAIT, ErrorClass.RETRY, ErrorClass.AMBIGUOUS}
        self.artifacts_failed = self.artifacts_failed or not passing or failures >= ARTIFACT_TRIES
        return self.artifacts_failed

    @property
    def _failed_lately(self) -> bool:
        return self._failed is not None and time.monotonic() - self._failed < FAILED_LATELY

    @property
    def _tries(self) -> int:
        return 1 if self._others and self._failed_lately else MAX_RETRIES

    def _give_up(self, what: str, failure: str, error: Exception, *, of_artifacts: bool = False) -> None:
        kept = "the client is asked to retry" if self._others else _IN_THE_SPOOL
        self._log.warn_once(what, f"{failure}; {kept}: {message_of(error)}")
        self._log.failing_since = None
        self._failed = self._failed if of_artifacts else time.monotonic()

    def _server_answers(self) -> bool:
        return self._once(self._answers, 0)[1] is None

    def _once(self, attempt: Callable[[], Value], failures: int) -> tuple[Value | None, Exception | None]:
        if self._stop.is_set():
            raise Stopped
        try:
            sent_once = http_policy.no_retries(failures, self.awaited)
            with self._gate, sent_once, workspaces.selected(self._workspace):
                return attempt(), None
        except Exception as error:  # noqa: BLE001 - no failure of MLflow's may reach the program
            return None, error
