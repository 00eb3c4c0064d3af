"""One of several things that writers are about to create at the same moment: all of them take the same.

MLflow has nothing that is created only if there is none of its name. So a thing is born as a claim, and only a settled
one is ever found. Who sees a settled one takes that; who sees a claim with a smaller id gives up its own; who has the
smallest waits until all others have given up or one has settled. A claim that nobody settles, because its writer is
gone, is settled by whoever waits for it, after `PATIENCE`.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE: Final = 10.0
"""Seconds after which the writer of a claim counts as gone."""
PAUSE: Final = 0.1


class Candidate(Protocol):
    """Something with an id."""

    @property
    def id(self) -> str:
        """Its id."""
        ...


Found = TypeVar("Found", bound=Candidate)


def decided(
    own: str,
    look: Callable[[], tuple[list[Found], list[Found]]],
    give_up: Callable[[str], None],
    settle: Callable[[Found], None],
    patience: float,
) -> Found | None:
    """The one that all take; None if there is not even a claim any more, so that all begins anew.

    Args:
        own: id of the claim that this writer has made.
        look: what is settled, and the claims.
        give_up: deletes a claim by its id; harmless if it is deleted already.
        settle: makes a claim what all find.
        patience: seconds to wait for other writers.
    """
    deadline = time.monotonic() + patience
    while True:
        settled, claims = (sorted(some, key=lambda one: one.id) for some in look())
        if settled:
            return settled[0]
        if not claims:
            return None
        smallest, *others = claims
        if smallest.id != own:
            give_up(own)
        if (smallest.id == own and not others) or time.monotonic() >= deadline:
            for gone in others:
                give_up(gone.id)
            settle(smallest)
        else:
            time.sleep(PAUSE)
