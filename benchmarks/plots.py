"""Plots of saved benchmark results for docs/performance.md: `python -m benchmarks.plots`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl

from benchmarks.environments import ROOT
from benchmarks.results import RESULTS

mpl.use("svg")

from matplotlib import pyplot as plt

if TYPE_CHECKING:
    from benchmarks.results import Row

_PICTURES: Final = ROOT / "docs" / "performance"
_plot: Any = plt  # annotated in part only
_OURS: Final = "#1565c0"
_OTHERS: Final = "#9e9e9e"


def _rows(name: str) -> list[Row]:
    return json.loads((RESULTS / f"{name}.json").read_text())["rows"]


def _finish(figure: Any, name: str) -> None:
    figure.tight_layout()
    # Neither a date nor random ids: the same figures give the same file.
    figure.savefig(_PICTURES / f"{name}.svg", metadata={"Date": None})


def overhead() -> None:
    """CPU time added to a call, in units of DSPy's empty callback."""
    rows = _rows("overhead")[::-1]
    names, values = [row["variant"] for row in rows], [row["cpu"] for row in rows]
    figure = _plot.figure(figsize=(7, 3.6))
    axes = figure.subplots()
    axes.barh(names, values, color=[_OURS if name.startswith("otel-dspy") else _OTHERS for name in names])
    axes.axvline(1, color="black", linewidth=0.8, linestyle=":")
    axes.set_xlabel("CPU time added to a call (1 = DSPy's empty callback)")
    _finish(figure, "overhead")


def mlflow() -> None:
    """Wall time of the work, recorded, over the same work unrecorded."""
    rows = _rows("mlflow")[::-1]
    names = [f"{row['work']}, {row['backend']}, model {row['model']}: {row['recorder']}" for row in rows]
    colors = [_OURS if row["recorder"].startswith("otel-dspy") else _OTHERS for row in rows]
    figure = _plot.figure(figsize=(7, 0.4 * len(rows) + 0.8))
    axes = figure.subplots()
    axes.barh(names, [row["wall"] for row in rows], color=colors)
    axes.axvline(1, color="black", linewidth=0.8, linestyle=":")
    axes.set_xscale("log")
    axes.set_xlabel("wall time (1 = not recorded; logarithmic)")
    _finish(figure, "mlflow")


def memory() -> None:
    """Resident memory by number of spans."""
    series = [
        (f"MLflow {row['MLflow']}, {row['spans']:,} spans, {row['spans an example']} an example", row["memory"])
        for row in _rows("memory")
    ]
    _memory("memory", "spans", series)


def service() -> None:
    """Resident memory by the number of a service's calls."""
    _memory("service", "calls", [(row["service"], row["memory"]) for row in _rows("service")])


def _memory(name: str, counted: str, series: list[tuple[str, list[tuple[int, float]]]]) -> None:
    figure = _plot.figure(figsize=(7, 3.2))
    axes = figure.subplots()
    for label, points in series:
        counts, mib = zip(*points, strict=True)
        axes.plot(counts, mib, label=label)
    axes.set_ylim(bottom=0)
    axes.set_xlabel(counted)
    axes.set_ylabel("resident memory, MiB")
    axes.legend()
    _finish(figure, name)


def main() -> None:
    """Draw all."""
    mpl.rcParams["svg.hashsalt"] = "otel-dspy"
    _PICTURES.mkdir(exist_ok=True)
    for draw in (overhead, mlflow, memory, service):
        if (RESULTS / f"{draw.__name__}.json").exists():
            draw()


if __name__ == "__main__":
    main()
