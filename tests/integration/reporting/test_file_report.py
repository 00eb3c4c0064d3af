"""The report on spool files, and on files of a Collector."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import dspy
import pytest
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_dspy import cli
from otel_dspy.mlflow import MlflowSpanProcessor
from otel_dspy.mlflow.delivery.spool_line import end_line, span_line
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.records.sdk_span import span_record
from otel_dspy.otlp_requests.protobuf_spans import ReceivedSpan
from otel_dspy.otlp_requests.span_route import routed
from otel_dspy.reporting.files.file_report import report_on_files
from otel_dspy.reporting.report import report
from tests.support.addition_task import exact, examples, half_right
from tests.support.blank_store import store_with_experiment
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.instrumented_dspy import instrumented
from tests.support.otlp_json import as_json
from tests.support.recorded_optimization import recorded_optimization

if TYPE_CHECKING:
    from pathlib import Path

    from opentelemetry.sdk.trace import ReadableSpan

DESTINATION = Destination("http://127.0.0.1:9", Experiment(name="E"))


def spool_file(folder: Path) -> Path:
    """Write the spans of an optimization as a program leaves them."""
    spans = [span for batch in recorded_optimization() for span in batch]
    lines = [
        span_line(*routed(ReceivedSpan(span_record(span), local_root=span.parent is None), DESTINATION))
        for span in spans
    ]
    file = folder / "20260101T000000Z-1-1-control-0001.jsonl"
    file.write_text("\n".join([*lines, end_line(), ""]))
    return file


@pytest.mark.slow  # MLflow creates a database, after an optimization
def test_files_are_read_without_mlflow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The store that they were meant for does not listen; the page has the winner, no run, and the file stays."""
    monkeypatch.chdir(tmp_path)
    file = spool_file(tmp_path)
    before = file.read_bytes()
    capsys.readouterr()  # of DSPy
    assert cli.main(["report", file.name]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("MIPROv2 on ")
    page = tmp_path / "report-20260101T000000Z-1-1-control-0001.html"
    assert printed[-1] == f"The page: {page}"
    text = page.read_text(encoding="utf-8")
    assert f"<h1>{printed[0]}</h1>" in text
    assert "download_artifacts" not in text
    assert "Run " not in text
    assert file.read_bytes() == before


@pytest.mark.slow  # two processes create a database each
def test_nothing_is_printed_while_a_store_is_created(tmp_path: Path) -> None:
    """Neither for the temporary store of a report on files, nor for one that `replay` creates."""
    file, command = spool_file(tmp_path), [sys.executable, "-m", "otel_dspy"]
    for arguments, line in (
        (["report", str(file), "--text"], "MIPROv2 on "),
        (["replay", str(file), "--tracking-uri", f"sqlite:///{tmp_path / 'mlflow.db'}"], str(file)),
    ):
        ended = subprocess.run(
            [*command, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        assert ended.stdout.startswith(line)


@pytest.mark.slow  # as above
def test_a_file_of_a_collector_equals_the_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Read from OTLP JSON and from MLflow, the same spans give the same record, whatever the order of the batches.

    A file has no run, so run ids, store and experiment are empty there; everything else is the same, by field.
    """
    uri = store_with_experiment(tmp_path, "E")
    processor = MlflowSpanProcessor(tracking_uri=uri, experiment="E")
    spans = recorded_minibatches(processor)
    processor.shutdown()
    batches = [spans[first : first + 9] for first in range(0, len(spans), 9)]
    random.Random(1).shuffle(batches)  # noqa: S311 - a repeatable order
    file = tmp_path / "traces.json"
    # The last batch was sent again.
    file.write_bytes(b"\n".join(as_json(encode_spans(batch)) for batch in [*batches, batches[-1]]))
    in_mlflow, in_file = report(tracking_uri=uri).compile, report_on_files([file]).compile
    without_runs = tuple(replace(trial, run_id=None) for trial in in_mlflow.trials)
    expected = replace(in_mlflow, run_id="", tracking_uri="", experiment_id="", trials=without_runs)
    for field in fields(expected):
        assert getattr(in_file, field.name) == getattr(expected, field.name), field.name
    assert [(trial.row.scope, len(trial.results)) for trial in in_file.trials][:2] == [("full", 6), ("minibatch", 3)]
    capsys.readouterr()  # of DSPy
    assert cli.main(["report", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["best_score"] == in_mlflow.best_score


def recorded_minibatches(processor: MlflowSpanProcessor) -> list[ReadableSpan]:
    """Optimize with minibatches, recorded by the processor as well; return the spans."""
    kept = InMemorySpanExporter()
    lm = in_process_lm(dspy_script({"answer": half_right}))
    with instrumented(SimpleSpanProcessor(kept), processor), dspy.context(lm=lm):
        optimizer: Any = dspy.MIPROv2(
            exact, auto=None, num_candidates=3, num_threads=2, max_bootstrapped_demos=1, max_labeled_demos=1
        )
        optimizer.compile(
            dspy.ChainOfThought("question -> answer"),
            trainset=examples(3),
            valset=examples(6),
            num_trials=3,
            minibatch_size=3,
            minibatch_full_eval_steps=2,
        )
    return list(kept.get_finished_spans())


def test_files_without_an_optimization(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A message names them and what is wrong with them; a name that is no file is named as well."""
    file = tmp_path / "20260101T000000Z-1-1-control-0001.jsonl"
    file.write_text("not a span\n")
    assert cli.main(["report", str(file)]) == 1
    assert capsys.readouterr().err.endswith(
        f"There is no optimization with a trial in {file}. {file}: 1 damaged line.\n"
    )
    assert cli.main(["report", str(file), "none.jsonl"]) == 1
    assert capsys.readouterr().err == "Name one run, or files that exist; there is no file none.jsonl.\n"
