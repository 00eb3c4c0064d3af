"""Records of a lineage: candidates or programs, and what was not accepted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Node:
    """An accepted candidate, or a program that trials tried."""

    candidate: int
    """The optimizer's number of the candidate; of a program, the trial that tried it first."""
    trial: int
    score: float | None
    parents: tuple[int, ...]
    components: tuple[str, ...]
    """What was changed: predictors, or the strategy that did."""
    depth: int
    """Longest path from a candidate without parents."""
    best_at: int | None
    """Examples on which no other candidate has a higher score: its part of the Pareto front; None if it was not scored
    on the whole validation set.
    """
    is_winner: bool
    is_full: bool = True
    """Whether the score is over the whole validation set; else it is over a minibatch."""


@dataclass(frozen=True)
class Rejection:
    """A proposal that was not accepted, or a trial without a program."""

    trial: int
    parents: tuple[int, ...]
    state: str
    reason: str
    before: float | None
    after: float | None
    """Scores of parent and proposal on the minibatch."""


@dataclass(frozen=True)
class Lineage:
    """All candidates."""

    nodes: tuple[Node, ...]
    rejections: tuple[Rejection, ...]
    reasons: tuple[tuple[str, int], ...]
    """States of the rejections with their numbers, most frequent first."""
    noun: str = "candidate"
    """What a node is: `candidate`, or `trial` where it is a program that is named after its first trial."""
    lines: str = ""
    """Sentence on what the lines of the graph are; empty where they lead from parents to children."""
    left_out: int = 0
    """Number of programs that are not among the nodes."""
