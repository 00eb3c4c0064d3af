"""Check of the report on a real run, against numbers recomputed from the run's own artifacts."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import mlflow
import pytest

import otel_dspy
from otel_dspy import cli
from otel_dspy.demo.task import SentimentOfTweet
from otel_dspy.reporting.errors import ReportError
from otel_dspy.reporting.sections.setup import setup

if TYPE_CHECKING:
    from otel_dspy.reporting.report import Report
    from tests.support.mlflow_tree import RunNode


def _by_tweet(trial: RunNode) -> dict[str, dict[str, Any]]:
    table = trial.artifacts["result_table.json"]
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    return {row["example_tweet"]: row for row in rows}


def check_report(tracking_uri: str, run: RunNode) -> None:
    """Compare the report on the latest run, by API and by command, with the run's artifacts."""
    report = otel_dspy.report(tracking_uri=tracking_uri)
    found = report.compile
    trials = {int(child.tags["dspy.trial.index"]): child for child in run.children if "dspy.trial.index" in child.tags}
    summary = run.artifacts["optimization_summary.json"]
    assert (found.run_id, found.best_trial, found.best_score) == (run.id, summary["best_trial"], summary["best_score"])
    tweets = [row[0] for row in run.artifacts["valset.json"]["data"]]
    assert [example.inputs["tweet"] for example in found.examples] == tweets
    for trial in found.trials:
        rows = _by_tweet(trials[trial.row.index])
        assert {tweets[int(result.example)]: result.score for result in trial.results} == {
            tweet: row["score"] for tweet, row in rows.items()
        }
        assert [predictor.name for predictor in trial.program] == ["classify"]
    start, best = _by_tweet(trials[0]), _by_tweet(trials[summary["best_trial"]])
    gained = {tweet for tweet in tweets if best[tweet]["score"] > start[tweet]["score"]}
    lost = {tweet for tweet in tweets if best[tweet]["score"] < start[tweet]["score"]}
    comparison = report.verdict.comparison
    if summary["best_trial"] == 0:
        assert comparison is None
        assert (gained, lost) == (set(), set())
    else:
        assert comparison is not None
        assert {tweets[int(example)] for example in comparison.gained} == gained
        assert {tweets[int(example)] for example in comparison.lost} == lost
        n, more = len(gained) + len(lost), max(len(gained), len(lost))
        tail = sum(math.comb(n, count) for count in range(more, n + 1)) / 2**n if n else 1.0
        assert comparison.test.p_value == pytest.approx(min(1.0, 2 * tail))
    assert str(report).splitlines()[0] == report.verdict.headline
    assert json.loads(report.json)["run_id"] == run.id
    if comparison is not None:
        assert f"▲ {len(gained)} improved, ▼ {len(lost)} got worse" in report.html
    never = [
        tweet for tweet in tweets if not any(_by_tweet(trial).get(tweet, {}).get("score") for trial in trials.values())
    ]
    assert f"∅ {len(never)} never solved" in report.html
    _check_winner_loads(report)


def _check_winner_loads(report: Report) -> None:
    """The code that the page shows, with the demo's program, loads the program that the optimizer returned."""
    code = setup(report.compile).load.replace("(...)", "()")
    names: dict[str, Any] = {"SentimentOfTweet": SentimentOfTweet}
    before = mlflow.get_tracking_uri()
    try:
        exec(code, names)  # noqa: S102 - the report's own lines
    finally:
        mlflow.set_tracking_uri(before)
    [best] = report.compile.best_program
    loaded = names["program"].classify
    assert (loaded.signature.instructions, len(loaded.demos)) == (best.instructions, len(best.demos))


def check_errors(tracking_uri: str, run: RunNode, capsys: pytest.CaptureFixture[str]) -> None:
    """Each run that is no optimization has its message, in the API and from the command."""
    trial = next(child for child in run.children if "dspy.trial.index" in child.tags)
    with pytest.raises(ReportError, match=f"is trial .* of an optimization, whose own run is {run.id}"):
        otel_dspy.report(trial.id, tracking_uri=tracking_uri)
    assert cli.main(["report", "0" * 32, "--tracking-uri", tracking_uri]) == 1
    assert f"There is no run '{'0' * 32}' in {tracking_uri}." in capsys.readouterr().err
    with pytest.raises(ReportError, match="There is no experiment 'other'"):
        otel_dspy.report(tracking_uri=tracking_uri, experiment="other")
