"""Benchmark: time of the report on an optimization, compared with reading the same data through MLflow's client.

`python -m benchmarks.report` writes optimizations into a store on sqlite and into a real server, as otel-dspy lays them
out, and reads each in turn by both. The client reads the runs, and downloads and parses the same artifacts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag

import otel_dspy
from benchmarks.report_data import SIZES, answer_of, choice_of, label_of, program_of, text_of
from benchmarks.results import save, table
from otel_dspy import semconv
from otel_dspy.mlflow.records.metric_names import FULL_SCORE
from tests.support.blank_store import blank_store
from tests.support.mlflow_server import mlflow_server

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.results import Row

_ARTIFACTS: Final = ("optimization_summary.json", "valset.json", "initial_model.json", "best_model.json")
_OF_A_TRIAL: Final = ("result_table.json", "model.json")


def write(  # noqa: PLR0913 - what an optimization consists of
    client: MlflowClient,
    experiment: str,
    trials: int,
    examples: int,
    *,
    programs: Callable[[int], dict[str, Any]] = program_of,
    compile_id: str | None = None,
) -> str:
    """Log an optimization in the layout of otel-dspy; return the id of its run.

    Args:
        client: client of the store.
        experiment: id of the experiment.
        trials: number of trials.
        examples: size of the validation set.
        programs: gives the state of the program by the number of its instruction; there are five.
        compile_id: its id; None without one.
    """
    tags = {semconv.DSPY_OPTIMIZER_NAME: "MIPROv2", semconv.DSPY_PROGRAM_NAME: "Classify"}
    if compile_id is not None:
        tags[semconv.DSPY_COMPILE_ID] = compile_id
    run_id = client.create_run(experiment, tags=tags, run_name="MIPROv2 Classify").info.run_id
    rows = [[text_of(number), label_of(number)] for number in range(examples)]
    found: list[dict[str, Any]] = []
    for index in range(trials):
        answers = [answer_of(index, number) for number in range(examples)]
        score = 100 * sum(right for _, right in answers) / examples
        own = [
            RunTag(semconv.DSPY_TRIAL_INDEX, str(index)),
            RunTag("mlflow.parentRunId", run_id),
        ]
        chosen = choice_of(index)
        trial = client.create_run(experiment, tags={tag.key: tag.value for tag in own}, run_name=f"trial {index}")
        client.log_batch(
            trial.info.run_id,
            [Metric(FULL_SCORE, score, 0, 0)],
            [Param(name, str(value)) for name, value in chosen.items()],
        )
        data = [
            [number, text, label, answer, float(right)]
            for number, ((text, label), (answer, right)) in enumerate(zip(rows, answers, strict=True))
        ]
        columns = ["index", "example_text", "example_label", "pred_label", "score"]
        client.log_dict(trial.info.run_id, {"columns": columns, "data": data}, "result_table.json")
        client.log_dict(trial.info.run_id, programs(index % 5), "model.json")
        client.set_terminated(trial.info.run_id)
        found.append({"index": index, "kind": "candidate", "state": "complete", "scope": "full", "score": score,
                      "unit": "percent", "parameters": chosen, "usage": {"input_tokens": 9_000, "lm_calls": examples},
                      "duration": 10.0, "started": index * 10.0})  # fmt: skip
    best = max(found, key=lambda one: one["score"])
    summary = {
        "optimizer": "MIPROv2", "program": "Classify", "metric": "exact", "initial_score": found[0]["score"],
        "best_score": best["score"], "score_unit": "percent", "best_trial": best["index"], "duration": trials * 10.0,
        "usage": {"input_tokens": 9_000 * trials, "lm_calls": examples * trials}, "trials": found,
    }  # fmt: skip
    client.log_dict(run_id, summary, "optimization_summary.json")
    client.log_dict(run_id, {"columns": ["text", "label"], "data": rows}, "valset.json")
    client.log_dict(run_id, programs(0), "initial_model.json")
    client.log_dict(run_id, programs(best["index"] % 5), "best_model.json")
    client.set_terminated(run_id)
    return str(run_id)


def read_by_client(uri: str, run_id: str) -> None:
    """Read the runs and their artifacts."""
    client = MlflowClient(uri)
    run = client.get_run(run_id)
    wanted = f"tags.`mlflow.parentRunId` = '{run_id}'"
    children = cast("Any", client).search_runs([run.info.experiment_id], wanted, max_results=1000)
    with tempfile.TemporaryDirectory() as folder:
        for one, names in [(run, _ARTIFACTS), *((child, _OF_A_TRIAL) for child in children)]:
            for name in names:
                json.loads(Path(client.download_artifacts(one.info.run_id, name, folder)).read_text())


def report(uri: str, run_id: str) -> None:
    """Read the same, and render the page."""
    assert otel_dspy.report(run_id, tracking_uri=uri).html


def seconds(what: Callable[[str, str], None], uri: str, run_id: str) -> float:
    """Return the time that one call takes."""
    began = time.perf_counter()
    what(uri, run_id)
    return time.perf_counter() - began


def rows_of(store: str, uri: str, experiment: str, rounds: int) -> list[Row]:
    """Measure both in turn, after one of each that is not counted."""
    rows: list[Row] = []
    for trials, examples in SIZES:
        run_id = write(MlflowClient(uri), experiment, trials, examples)
        times = [(seconds(read_by_client, uri, run_id), seconds(report, uri, run_id)) for _ in range(rounds + 1)][1:]
        client, ours = (statistics.median(column) for column in zip(*times, strict=True))
        rows.append(
            {
                "store": store, "trials": trials, "examples": examples, "MLflow's client, s": round(client, 2),
                "report, s": round(ours, 2), "ratio": round(ours / client, 2),
                "page, KB": len(otel_dspy.report(run_id, tracking_uri=uri).html.encode()) // 1000,
            }
        )  # fmt: skip
    return rows


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--no-server", action="store_true", help="measure the store on sqlite alone")
    parser.add_argument("--keep", action="store_true", help="save the results")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        uri = blank_store(folder)
        experiment = MlflowClient(uri).create_experiment("report", artifact_location=(folder / "artifacts").as_uri())
        rows = rows_of("sqlite, local files", uri, experiment, chosen.rounds)
        if not chosen.no_server:
            with mlflow_server(folder / "server", forked=False) as server:
                experiment = MlflowClient(server.uri).create_experiment("report")
                rows += rows_of("server", server.uri, experiment, chosen.rounds)
    print(table(rows))
    if chosen.keep:
        save("report", rows, {package: version(package) for package in ("mlflow", "scipy", "jinja2")})


if __name__ == "__main__":
    main()
