"""Data of every size and kind in MLflow: datasets whole, tables and traces bounded by what was run, nothing raised."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final, cast

import dspy
import pytest
from dspy.teleprompt import BootstrapFewShotWithRandomSearch
from inline_snapshot import snapshot

from tests.support.addition_task import addition_lm, exact, examples
from tests.support.in_process_lm import in_process_lm
from tests.support.instrumented_dspy import instrumented
from tests.support.optimizer_runs import tracked_tree
from tests.support.optimizers import Rounds
from tests.support.unserializable_answers import Answering

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.mlflow_tree import RunNode

MANY: Final = 10_000
SCORED: Final = 4
PICTURE: Final = base64.b64encode(bytes(range(256)) * 400).decode()
"""137 kB of text."""


def _search(trainset: list[Any], valset: list[Any], student: dspy.Module, lm: dspy.LM) -> Any:
    optimizer: Any = BootstrapFewShotWithRandomSearch(
        exact, num_candidate_programs=1, num_threads=1, max_bootstrapped_demos=1, max_labeled_demos=1
    )
    with dspy.context(lm=lm):
        return optimizer.compile(student, trainset=trainset, valset=valset)


def _artifacts(run: RunNode) -> dict[str, int]:
    """Bytes of each artifact of the run and of those below it: path to the largest of that name."""
    sizes: dict[str, int] = {}
    for node in run.walk():
        for path, content in node.artifacts.items():
            sizes[path] = max(sizes.get(path, 0), len(json.dumps(content).encode()))
    return sizes


def _traced(run: RunNode) -> int:
    return sum(len(node.traces) for node in run.walk())


def test_ten_thousand_examples_of_which_a_few_are_scored(tmp_path: Path) -> None:
    """The trainset is there whole and once; tables and traces are of the examples that were run."""
    trainset = examples(MANY)
    student = dspy.Predict("question -> answer")
    best, tree = tracked_tree(tmp_path, lambda: _search(trainset, examples(SCORED), student, addition_lm()))
    assert len(best.candidate_programs) == 4
    (run,) = tree.runs
    assert run.status == "FINISHED"
    table = run.artifacts["trainset.json"]
    assert table["columns"] == ["question", "answer"]
    assert table["data"] == [[example.question, example.answer] for example in cast("Any", trainset)]
    holders = [node.name for node in run.walk() if "trainset.json" in node.artifacts]
    assert holders == snapshot(["BootstrapFewShotWithRandomSearch Predict"])
    trials = [node for node in run.children if "dspy.trial.index" in node.tags]
    assert [len(trial.artifacts["result_table.json"]["data"]) for trial in trials] == [SCORED] * 4
    assert _traced(run) == snapshot(21)
    sizes = _artifacts(run)
    assert sizes.pop("trainset.json") < 40 * MANY
    assert max(sizes.values()) < 20_000


def test_a_dataset_that_may_not_leave(tmp_path: Path) -> None:
    """Without `capture_datasets` there is no table of them in MLflow; their names are, and the trials as ever."""
    with instrumented(capture_datasets=False):
        student = dspy.Predict("question -> answer")
        _, tree = tracked_tree(tmp_path, lambda: _search(examples(MANY), examples(2), student, addition_lm()))
    (run,) = tree.runs
    assert run.status == "FINISHED"
    assert sorted(_artifacts(run)) == snapshot(
        [
            "best_model.json",
            "bootstrap_table.json",
            "candidate.json",
            "candidates/demos.json",
            "changes.md",
            "initial_model.json",
            "model.json",
            "optimization_summary.json",
            "result_table.json",
        ]
    )
    assert [(context, name) for context, name, _ in run.inputs] == snapshot(
        [("train", "trainset"), ("validation", "valset")]
    )


class Look(dspy.Signature):
    """Say what is in the picture."""

    picture: dspy.Image = dspy.InputField()
    answer: str = dspy.OutputField()


@pytest.mark.parametrize("most_bytes", [None, 200_000])
def test_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_bytes: int | None) -> None:
    """A picture is whole in the dataset, and by type, size and digest in tables, previews and traces.

    It is no valid PNG file, which a table would show. In the inputs of a trace's spans it is whole where `OTEL_DSPY_MAX_MEDIA_BYTES` lets it.
    """
    if most_bytes is not None:
        monkeypatch.setenv("OTEL_DSPY_MAX_MEDIA_BYTES", str(most_bytes))
    shown: Any = dspy.Example(picture=dspy.Image(f"data:image/png;base64,{PICTURE}"), answer="a cat")
    devset = [shown.with_inputs("picture")]
    lm = in_process_lm(lambda _: "[[ ## answer ## ]]\na cat\n\n[[ ## completed ## ]]")

    def run() -> Any:
        with dspy.context(lm=lm):
            return Rounds(exact, rounds=1).compile(dspy.Predict(Look), trainset=devset)

    _, tree = tracked_tree(tmp_path, run)
    (compiled,) = tree.runs
    assert [(node.name, node.status) for node in compiled.walk()] == snapshot(
        [("Rounds Predict", "FINISHED"), ("trial 0", "FINISHED")]
    )
    assert PICTURE in json.dumps(compiled.artifacts["trainset.json"])
    (trial,) = compiled.children
    size = "102400 bytes, sha256 27783e87963a4efb" if most_bytes is None else "102400 bytes"
    assert trial.artifacts["result_table.json"] == {
        "columns": ["index", "example_picture", "example_answer", "pred_answer", "score", "example_id"],
        "data": [[0, f"[image/png, {size}]", "a cat", "a cat", 1.0, trial.traces[0].tags["dspy.example.id"]]],
    }
    (trace,) = trial.traces
    assert trace.request_preview == f'{{"picture":"[image/png, {size}]"}}'
    written = [str(span.inputs) for span in trace.walk()]
    assert [PICTURE in text for text in written] == [most_bytes is not None] * len(written)


def test_examples_without_inputs(tmp_path: Path) -> None:
    """`with_inputs` was never called: DSPy's error is recorded for each example, and the optimization continues."""
    trainset: Any = [dspy.Example(question="1+1", answer="2"), dspy.Example(question="2+1", answer="3")]

    def run() -> Any:
        with dspy.context(lm=addition_lm()):
            return Rounds(exact, rounds=1).compile(dspy.Predict("question -> answer"), trainset=trainset)

    _, tree = tracked_tree(tmp_path, run)
    (compiled,) = tree.runs
    assert [(node.name, node.status) for node in compiled.walk()] == snapshot(
        [("Rounds Predict", "FAILED"), ("trial 0", "FAILED")]
    )
    assert compiled.artifacts["trainset.json"] == snapshot(
        {"columns": ["question", "answer"], "data": [["1+1", "2"], ["2+1", "3"]]}
    )
    (trial,) = compiled.children
    assert trial.artifacts["result_table.json"] == snapshot(
        {
            "columns": ["index", "example_question", "example_answer", "score", "error", "error_message", "example_id"],
            "data": [
                [
                    0,
                    "1+1",
                    "2",
                    None,
                    "ValueError",
                    "Inputs have not been set for this example. Use `example.with_inputs()` to set them.",
                    "473159302de95433",
                ],
                [
                    1,
                    "2+1",
                    "3",
                    None,
                    "ValueError",
                    "Inputs have not been set for this example. Use `example.with_inputs()` to set them.",
                    "9314af874c1399fa",
                ],
            ],
        }
    )
    assert [(trace.name, trace.state, trace.request_preview) for trace in trial.traces] == snapshot(
        [("Predict example 0", "ERROR", "{}"), ("Predict example 1", "ERROR", "{}")]
    )


def test_answers_that_no_json_can_hold(tmp_path: Path) -> None:
    """What is no data is null in table and trace; the score stands."""
    _, tree = tracked_tree(tmp_path, lambda: Rounds(exact, rounds=1).compile(Answering(), trainset=examples(2)))
    (compiled,) = tree.runs
    assert [(node.name, node.status) for node in compiled.walk()] == snapshot(
        [("Rounds Answering", "FINISHED"), ("trial 0", "FINISHED")]
    )
    (trial,) = compiled.children
    assert trial.artifacts["result_table.json"] == snapshot(
        {
            "columns": [
                "index",
                "example_question",
                "example_answer",
                "pred_answer",
                "pred_stream",
                "pred_circle",
                "pred_kind",
                "pred_odd",
                "pred_number",
                "pred_raw",
                "pred_text",
                "score",
                "example_id",
            ],
            "data": [
                [0, "0+1", "1", "1", None, ["0+1", None], None, {}, None, "/wA=", "�", 1.0, "bfe2e71e9315e6cf"],
                [1, "1+1", "2", "2", None, ["1+1", None], None, {}, None, "/wA=", "�", 1.0, "473159302de95433"],
            ],
        }
    )
    assert [(trace.state, trace.spans[0].outputs) for trace in trial.traces] == snapshot(
        [
            (
                "OK",
                {
                    "answer": "1",
                    "stream": None,
                    "circle": ["0+1", None],
                    "kind": None,
                    "odd": {},
                    "number": None,
                    "raw": "/wA=",
                    "text": "�",
                },
            ),
            (
                "OK",
                {
                    "answer": "2",
                    "stream": None,
                    "circle": ["1+1", None],
                    "kind": None,
                    "odd": {},
                    "number": None,
                    "raw": "/wA=",
                    "text": "�",
                },
            ),
        ]
    )
