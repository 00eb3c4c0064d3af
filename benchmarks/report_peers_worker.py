"""Worker of `benchmarks.report_peers`: draws one page several times and prints its time, size and memory as JSON.

`python -m benchmarks.report_peers_worker PAGE TRIALS EXAMPLES ROUNDS [URI RUN]` runs in the environment of the page's
library.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
import time
import tracemalloc
from typing import TYPE_CHECKING, Any, Final

from benchmarks.report_data import answer_of, choice_of, program_of

if TYPE_CHECKING:
    from collections.abc import Callable

_LOADS: Final = re.compile(r"""(?:<script[^>]*\ssrc=|\bimport\(|\bfrom )["']https?://""")
"""A script from elsewhere, as an element or as a module."""


def report(uri: str, run_id: str) -> Callable[[], str]:
    """Return what renders the report of an optimization, which is read first."""
    from otel_dspy.reporting.report import Report
    from otel_dspy.reporting.runs.read_compile import read_compile

    read = read_compile(uri, run_id, None)
    return lambda: Report(read).html


def gepa(trials: int, examples: int) -> Callable[[], str]:
    """Return what renders GEPA's tree, each candidate the child of the one before it."""
    from gepa.visualization import candidate_tree_html_from_data

    rights = [[answer_of(trial, number)[1] for number in range(examples)] for trial in range(trials)]
    texts = [{"classify": program_of(trial % 5)["classify"]["signature"]["instructions"]} for trial in range(trials)]
    parents: list[list[int | None]] = [[None], *([trial - 1] for trial in range(1, trials))]
    scores = [sum(row) / examples for row in rights]
    columns = list(zip(*rights, strict=True))
    fronts = {
        number: {trial for trial in range(trials) if column[trial] == max(column)}
        for number, column in enumerate(columns)
    }
    return lambda: candidate_tree_html_from_data(texts, parents, scores, fronts)


def optuna(trials: int, examples: int) -> Callable[[], str]:
    """Return what renders three of Optuna's plots on one page that holds the drawing library once."""
    import optuna
    from optuna import visualization

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize")
    sizes = {"0_predictor_instruction": 5, "0_predictor_demos": 4}
    choices = {name: optuna.distributions.CategoricalDistribution(range(size)) for name, size in sizes.items()}
    for trial in range(trials):
        score = 100 * sum(answer_of(trial, number)[1] for number in range(examples)) / examples
        study.add_trial(optuna.trial.create_trial(params=choice_of(trial), distributions=dict(choices), value=score))
    library: Any = visualization  # whose plots are annotated only where Plotly is installed
    plots = (library.plot_optimization_history, library.plot_slice, library.plot_parallel_coordinate)
    return lambda: "".join(
        plot(study).to_html(include_plotlyjs=not number, full_html=False) for number, plot in enumerate(plots)
    )


def measured(draw: Callable[[], str], rounds: int) -> dict[str, Any]:
    """Return the median time of a page after the first, the time of the first, its size and the peak of its memory."""
    times: list[float] = []
    page = ""
    for _ in range(rounds + 1):
        began = time.perf_counter()
        page = draw()
        times.append(time.perf_counter() - began)
    tracemalloc.start()
    draw()
    _, peak = tracemalloc.get_traced_memory()
    return {
        "first page, s": round(times[0], 2), "next, s": round(statistics.median(times[1:]), 3),
        "page, KB": len(page.encode()) // 1000, "memory, MB": round(peak / 1e6, 1),
        "opens without a network": "no" if _LOADS.search(page) else "yes",
    }  # fmt: skip


def main(page: str, trials: str, examples: str, rounds: str, *source: str) -> None:
    """Draw the page."""
    draw = report(*source) if page == "report" else {"gepa": gepa, "optuna": optuna}[page](int(trials), int(examples))
    print(json.dumps(measured(draw, int(rounds))))


if __name__ == "__main__":
    main(*sys.argv[1:])
