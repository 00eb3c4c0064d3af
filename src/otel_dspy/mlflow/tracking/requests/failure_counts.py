"""Failed attempts of an operation, counted by class."""

from __future__ import annotations

from dataclasses import dataclass

from otel_dspy.mlflow.tracking.requests.error_classification import ErrorClass


@dataclass(slots=True)
class FailureCounts:
    """Failed attempts of one operation.

    Attributes:
        total: all of them.
        raced: those in which another writer was first.
        ambiguous: the last ones in a row whose error may be the database's or the request's.
        ended: the last ones in a row that the database ended while it accepted another request.
        own: the last ones in a row that failed at the server or were ambiguous. They count together: a server that
            alternates between both would be retried forever.
    """

    total: int = 0
    raced: int = 0
    ambiguous: int = 0
    ended: int = 0
    own: int = 0

    def add(self, found: ErrorClass, *, answers: bool) -> None:
        """Count an attempt.

        Args:
            found: the class of its error.
            answers: whether the server has accepted another request since; it counts for `ended` alone.
        """
        self.total += 1
        self.raced += found is ErrorClass.RACED
        self.ambiguous = self.ambiguous + 1 if found is ErrorClass.AMBIGUOUS else 0
        self.ended = self.ended + 1 if found is ErrorClass.ENDED and answers else 0
        self.own = self.own + 1 if found in {ErrorClass.RETRY, ErrorClass.AMBIGUOUS} else 0

    def are_an_outage(self, found: ErrorClass) -> bool:
        """Return whether the last error, of this class, is logged as an outage of MLflow."""
        return found not in {ErrorClass.RACED, ErrorClass.AMBIGUOUS} and not self.ended
