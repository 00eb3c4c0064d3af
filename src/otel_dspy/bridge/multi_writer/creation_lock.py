"""Creation lock: concurrent writers that create the same entity in MLflow agree on one.

MLflow has no create-if-absent. Each writer therefore creates a claim, and readers find only settled entities:

- A writer that finds a settled entity uses it.
- A writer that finds a claim with a smaller id deletes its own claim.
- The writer with the smallest id waits until all other claims are deleted, then settles its own.
- A claim whose writer has died is settled by a waiting writer after `CLAIM_TIMEOUT`, or deleted if another is settled.
- A writer that was only suspended for so long may settle its claim just before it is deleted. Runs are read after they
  are deleted, and restored where that happened. MLflow restores no models: that writer keeps a deleted one, beside the
  READY one with the same text.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

CLAIM_TIMEOUT: Final = 10.0
"""Seconds after which the writer of a claim is considered dead."""
PAUSE: Final = 0.1


class Candidate(Protocol):
    """An entity with an id."""

    @property
    def id(self) -> str:
        """Id of the entity."""
        ...


Found = TypeVar("Found", bound=Candidate)


def decided(
    own: str,
    look: Callable[[], tuple[list[Found], list[Found]]],
    give_up: Callable[[str], bool],
    settle: Callable[[Found], bool],
    patience: float,
) -> Found | None:
    """Wait for the entity that all writers use.

    Args:
        own: id of this writer's claim.
        look: returns the settled entities and the claims.
        give_up: deletes a claim by id; idempotent. Returns False if the claim has been settled meanwhile and is kept.
        settle: turns a claim into a settled entity; returns False if another writer has deleted it.
        patience: seconds to wait for other writers.

    Returns:
        The settled entity; None if neither a settled entity nor a claim is left, so that the caller starts over.
    """
    deadline = time.monotonic() + patience
    while True:
        settled, claims = (sorted(some, key=lambda one: one.id) for some in look())
        if settled:
            for left in claims:
                if left.id != own:  # which the caller gives up
                    give_up(left.id)
            return settled[0]
        if not claims:
            return None
        smallest, *others = claims
        if smallest.id != own and any(other.id == own for other in others) and not give_up(own):
            continue
        if (smallest.id == own and not others) or time.monotonic() >= deadline:
            if all(give_up(gone.id) for gone in others) and settle(smallest):
                return smallest
        else:
            time.sleep(PAUSE)
