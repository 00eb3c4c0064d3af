"""Coordinates of the lineage's graph: one layer for each generation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from otel_dspy.reporting.sections.lineage_records import Lineage, Node

_WIDTH: Final = 820
_LAYER: Final = 92
_NODE: Final = 128
_TOP: Final = 44


@dataclass(frozen=True)
class Placed:
    """A node with its center."""

    node: Node
    x: float
    y: float


@dataclass(frozen=True)
class Edge:
    """A line from a parent to a child, between their centers."""

    x1: float
    y1: float
    x2: float
    y2: float


@dataclass(frozen=True)
class LineageChart:
    """The graph."""

    width: float
    height: int
    nodes: tuple[Placed, ...]
    edges: tuple[Edge, ...]


def lineage_chart(lineage: Lineage) -> LineageChart | None:
    """Return the graph of the accepted candidates; None without any."""
    layers: dict[int, list[Node]] = {}
    for node in lineage.nodes:
        layers.setdefault(node.depth, []).append(node)
    if not layers:
        return None
    width = max(_WIDTH, _NODE * max(len(layer) for layer in layers.values()))
    placed = {
        node.candidate: Placed(node, (place + 0.5) * width / len(layer), _TOP + depth * _LAYER)
        for depth, layer in layers.items()
        for place, node in enumerate(layer)
    }
    edges = tuple(
        Edge(placed[parent].x, placed[parent].y, child.x, child.y)
        for child in placed.values()
        for parent in child.node.parents
        if parent in placed
    )
    return LineageChart(width, _TOP + max(layers) * _LAYER + _TOP, tuple(placed.values()), edges)
