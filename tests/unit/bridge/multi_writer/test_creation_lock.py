"""Several writers create one thing at the same moment: one of their claims is settled, the others are given up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from otel_dspy.bridge.multi_writer import creation_lock
from otel_dspy.bridge.multi_writer.creation_lock import decided

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 300.0
"""Seconds in which the other writers here act, which takes milliseconds."""


@dataclass(frozen=True)
class One:
    """A claim."""

    id: str


@dataclass
class Writers:
    """A store with claims, as one writer sees it.

    Attributes:
        claims: ids of claims that are not settled.
        settled: ids of those that are.
        others: what other writers do between two looks of this one; the last one again and again.
        done: what this writer did, in order.
        looks: how often it looked.
        settled_late: a claim that another writer settles when this one is about to delete it.
    """

    claims: set[str]
    settled: set[str] = field(default_factory=set[str])
    others: list[Callable[[Writers], None]] = field(default_factory=list)  # pyright: ignore[reportUnknownVariableType] - typed by its annotation
    done: list[str] = field(default_factory=list[str])
    looks: int = 0
    settled_late: str | None = None

    def look(self) -> tuple[list[One], list[One]]:
        """What is settled, and the claims; then the others act."""
        self.looks += 1
        found = [One(name) for name in self.settled], [One(name) for name in self.claims]
        if self.others:
            (self.others.pop(0) if len(self.others) > 1 else self.others[0])(self)
        return found

    def give_up(self, claim: str) -> bool:
        """This writer deletes a claim, unless it has been settled."""
        self.done.append(f"gives up {claim}")
        if claim == self.settled_late:
            self.claims.discard(claim)
            self.settled.add(claim)
        self.claims.discard(claim)
        return claim not in self.settled

    def settle(self, claim: One) -> bool:
        """This writer settles one, unless it has been deleted."""
        self.done.append(f"settles {claim.id}")
        if claim.id not in self.claims | self.settled:
            return False
        self.claims.discard(claim.id)
        self.settled.add(claim.id)
        return True

    def decided(self, own: str, patience: float = PATIENCE) -> str | None:
        """What this writer takes."""
        found = decided(own, self.look, self.give_up, self.settle, patience)
        return found.id if found is not None else None


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(creation_lock, "PAUSE", 0.001)


def settle_when_alone(writers: Writers) -> None:
    """The writer of `a` settles it as soon as no other claim is left, as `decided` does."""
    if writers.claims == {"a"}:
        writers.claims.clear()
        writers.settled.add("a")


def test_the_loser_gives_up_and_takes_what_the_winner_settles() -> None:
    """It deletes its own claim at once, which the winner waits for, and neither settles nor deletes the winner's."""
    writers = Writers({"a", "b"}, others=[settle_when_alone])
    assert writers.decided("b") == "a"
    assert set(writers.done) == {"gives up b"}
    assert (writers.settled, writers.claims) == ({"a"}, set())


def test_two_writers_that_follow_the_rule_agree() -> None:
    """Each looks while the other acts: the smaller is settled once, by its own writer."""
    shared = Writers({"a", "b"})
    loser = Writers(shared.claims, shared.settled, others=[lambda _: None])

    def loser_looks(_: Writers) -> None:
        if "b" in shared.claims:
            loser.give_up("b")

    shared.others = [lambda _: None, loser_looks]
    assert shared.decided("a") == "a"
    assert shared.done == ["settles a"]
    assert loser.decided("b") == "a"
    assert loser.done == ["gives up b"]


def test_the_winner_waits_for_the_others() -> None:
    """It settles its own only once the other claims are gone."""
    seen: list[set[str]] = []

    def slow(writers: Writers) -> None:
        seen.append(set(writers.settled))
        if len(seen) == 3:
            writers.claims.discard("b")

    writers = Writers({"a", "b"}, others=[slow])
    assert writers.decided("a") == "a"
    assert writers.done == ["settles a"]
    assert seen[:4] == [set()] * 4


def test_what_is_settled_is_taken() -> None:
    """Without another deed; of two, which two writers out of patience may leave behind, all take the same."""
    writers = Writers({"a"}, {"d", "c"})
    assert writers.decided("a") == "c"
    assert writers.done == []


def test_claims_beside_what_is_settled_are_given_up() -> None:
    """Their writers are gone, or find theirs deleted and take what is settled."""
    writers = Writers({"a", "b", "e"}, {"d"})
    assert writers.decided("b") == "d"
    assert sorted(writers.done) == ["gives up a", "gives up e"]


def test_alone() -> None:
    """Its own, at once: what it has settled it need not look for."""
    writers = Writers({"a"})
    assert writers.decided("a", patience=0) == "a"
    assert writers.done == ["settles a"]
    assert writers.looks == 1


def test_a_writer_that_was_given_up() -> None:
    """Another has deleted its claim after it looked, and settled its own: that one is taken."""

    def replaced(writers: Writers) -> None:
        writers.claims.clear()
        writers.settled.add("b")

    writers = Writers({"a"}, others=[replaced])
    assert writers.decided("a") == "b"
    assert writers.done == ["settles a"]


def test_a_claim_that_was_deleted_with_all_others() -> None:
    """All begins anew."""
    assert Writers(set()).decided("a") is None


@pytest.mark.parametrize(("own", "deeds"), [("b", ["gives up b", "settles a"]), ("a", ["gives up b", "settles a"])])
def test_a_writer_that_is_gone(own: str, deeds: list[str]) -> None:
    """Its claim is settled for it if it is the smallest, and deleted if it is not, once patience has run out."""
    writers = Writers({"a", "b"})
    assert writers.decided(own, patience=0.05) == "a"
    assert sorted(set(writers.done)) == deeds
    assert (writers.settled, writers.claims) == ({"a"}, set())


@pytest.mark.parametrize("own", ["a", "b"])
def test_a_claim_that_is_settled_before_it_is_deleted(own: str) -> None:
    """Its writer, out of patience like this one, uses it already: no other is settled."""
    writers = Writers({"a", "b"}, settled_late="b")
    assert writers.decided(own, patience=0) == "b"
    assert "settles a" not in writers.done
    assert writers.settled == {"b"}
