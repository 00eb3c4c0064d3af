"""BootstrapFewShot and LabeledFewShot: the attempts, each with its verdict, and the demos chosen."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import dspy
import pytest
from inline_snapshot import snapshot

from tests.support.addition_task import exact, examples
from tests.support.learning_lm import learning_lm
from tests.support.optimizer_runs import drawn, tracked_runs, tracked_tree
from tests.support.span_recorder import recording
from tests.support.with_and_without import same_with_and_without

if TYPE_CHECKING:
    from pathlib import Path

SHOWN = ("phase.", "evaluate.", "compile.parent", "compile.depth")


def _bootstrap(metric: Any = exact, **settings: Any) -> Any:
    given: dict[str, Any] = {"max_bootstrapped_demos": 2, "max_labeled_demos": 3, "max_rounds": 2, **settings}
    optimizer: Any = dspy.BootstrapFewShot(metric, **given)
    with dspy.context(lm=learning_lm()):
        return optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(6))


def _label(**arguments: Any) -> Any:
    return dspy.LabeledFewShot(k=2).compile(dspy.Predict("question -> answer"), trainset=examples(6), **arguments)


def _rows(evaluation: dict[str, Any]) -> list[tuple[Any, ...]]:
    rows = json.loads(evaluation["evaluate.results"])
    return [(row["index"], row["round"], row["accepted"], row.get("score"), row.get("error")) for row in rows]


def test_the_control_trace_contains_attempts_and_demos() -> None:
    """The bootstrap is a phase with every attempt as a row: round, accepted or not, score; the demos are another."""
    with recording(capture_programs=True) as recorder:
        _bootstrap()
    assert recorder.control("compile", *SHOWN) == snapshot(
        [
            "compile BootstrapFewShot",
            "  setup BootstrapFewShot",
            "    dataset train",
            "  compile LabeledFewShot compile.depth=1 compile.parent.id=c1",
            "    setup LabeledFewShot compile.depth=1 compile.parent.id=c1",
            "      dataset train",
            '    phase select phase.demos={"self":[[{"question":"3+1","answer":"4"},{"question":"5+1","answer":"6"},{"question":"0+1","answer":"1"}]]} phase.name=select',
            "  phase bootstrap phase.name=bootstrap",
            '    evaluate exact evaluate.num_errors=0 evaluate.num_examples=2 evaluate.results=[{"index":0,"id":"bfe2e71e9315e6cf","round":0,"accepted":true,"score":1.0},{"index":1,"id":"473159302de95433","round":0,"accepted":true,"score":1.0}] evaluate.scope=minibatch phase.name=bootstrap',
            '  phase select phase.demos={"self":[[{"augmented":true,"question":"0+1","answer":"1"},{"augmented":true,"question":"1+1","answer":"2"},{"question":"5+1","answer":"6"}]]} phase.name=select',
        ]
    )


def test_attempts_and_demos_are_those_of_the_program() -> None:
    """Each attempt is a trace of its own; the accepted ones are the bootstrapped demos, in their order."""
    with recording(capture_content=True) as recorder:
        best = _bootstrap(max_bootstrapped_demos=3, max_labeled_demos=1)
    (evaluation,) = recorder.attributes_of("evaluate")
    rows = json.loads(evaluation["evaluate.results"])
    accepted = [(row["inputs"]["question"], row["prediction"]["answer"]) for row in rows if row["accepted"]]
    bootstrapped = [(demo["question"], demo["answer"]) for demo in best.demos if demo.get("augmented")]
    assert accepted == bootstrapped
    assert len(accepted) == 3 < len(rows)
    *_, selected = recorder.attributes_of("phase select")
    assert json.loads(selected["phase.demos"]) == {"self": [[dict(demo.items()) for demo in best.demos]]}
    attempts = recorder.named("example")
    assert len(attempts) == len(rows) == evaluation["evaluate.num_examples"]
    assert all(attempt.parent is None and len(attempt.links) == 1 for attempt in attempts)


def test_the_metric_is_recorded_behind_a_threshold() -> None:
    """The optimizer reports only whether the threshold was reached: the row has the metric's own value."""

    def graded(example: dspy.Example, prediction: dspy.Prediction, trace: object = None) -> float:
        return 0.9 if exact(example, prediction, trace) else 0.4

    with recording() as recorder:
        _bootstrap(graded, metric_threshold=0.5, max_labeled_demos=0)
    assert [_rows(recorded) for recorded in recorder.attributes_of("evaluate")] == snapshot(
        [
            [
                (0, 0, False, 0.4, None),
                (0, 1, False, 0.4, None),
                (1, 0, True, 0.9, None),
                (2, 0, False, 0.4, None),
                (2, 1, False, 0.4, None),
                (3, 0, True, 0.9, None),
            ]
        ]
    )


def test_without_a_metric_every_attempt_is_accepted() -> None:
    """There is no score to record, and DSPy takes the first traces that it gets."""
    with recording() as recorder:
        _bootstrap(None, max_labeled_demos=0)
    assert [_rows(recorded) for recorded in recorder.attributes_of("evaluate")] == snapshot(
        [[(0, 0, True, None, None), (1, 0, True, None, None)]]
    )


def test_an_error_of_an_attempt_is_recorded() -> None:
    """The optimizer swallows what the metric or the teacher raises: the row names it."""

    def broken(example: dspy.Example, prediction: Any, trace: object = None) -> bool:
        if example["question"] == "1+1":
            raise ArithmeticError("no verdict")
        return exact(example, prediction, trace)

    class Picky(dspy.Predict):
        def forward(self, **kwargs: Any) -> Any:
            if kwargs["question"] == "2+1":
                raise LookupError("not this one")
            return super().forward(**kwargs)

    optimizer = dspy.BootstrapFewShot(broken, max_bootstrapped_demos=4, max_labeled_demos=0)
    with dspy.context(lm=learning_lm()), recording() as recorder:
        optimizer.compile(Picky("question -> answer"), trainset=examples(5))
    assert [_rows(recorded) for recorded in recorder.attributes_of("evaluate")] == snapshot(
        [
            [
                (0, 0, False, 0.0, None),
                (1, 0, False, None, "ArithmeticError"),
                (2, 0, False, None, "LookupError"),
                (3, 0, True, 1.0, None),
                (4, 0, False, 0.0, None),
            ]
        ]
    )


def test_an_attempt_too_many_ends_the_compile() -> None:
    """With `max_errors` reached DSPy raises: attempt, phase and compile say so, the message stands once."""

    def broken(*_: Any) -> bool:
        raise ArithmeticError("no verdict")

    with recording() as recorder, pytest.raises(ArithmeticError, match="no verdict"):
        _bootstrap(broken, max_errors=2, max_labeled_demos=0)
    assert recorder.control("compile", *SHOWN) == snapshot(
        [
            "compile BootstrapFewShot ERROR(no verdict)",
            "  setup BootstrapFewShot",
            "    dataset train",
            "  phase bootstrap phase.name=bootstrap ERROR()",
            '    evaluate broken evaluate.num_errors=2 evaluate.num_examples=2 evaluate.results=[{"index":0,"id":"bfe2e71e9315e6cf","round":0,"accepted":false,"error":"ArithmeticError"},{"index":0,"id":"bfe2e71e9315e6cf","round":1,"accepted":false,"error":"ArithmeticError"}] evaluate.scope=minibatch phase.name=bootstrap ERROR(no verdict)',
        ]
    )
    assert [_rows(recorded) for recorded in recorder.attributes_of("evaluate")] == snapshot(
        [[(0, 0, False, None, "ArithmeticError"), (0, 1, False, None, "ArithmeticError")]]
    )


def test_outside_an_attempt_the_metric_is_the_user_s_own() -> None:
    """What is read from the optimizer, before, during and after a compile, is the object that was given."""
    optimizer = dspy.BootstrapFewShot(exact, max_bootstrapped_demos=1, max_labeled_demos=0)
    with dspy.context(lm=learning_lm()), recording():
        assert optimizer.metric is exact
        optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(2))
        assert optimizer.metric is exact
        assert vars(optimizer)["metric"] is exact
        optimizer.metric = None
        assert optimizer.metric is None
        del optimizer.metric
        with pytest.raises(AttributeError, match="'BootstrapFewShot' object has no attribute 'metric'"):
            optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(2))
    assert "metric" not in vars(dspy.BootstrapFewShot)


def test_labeled_few_shot_records_its_demos() -> None:
    """The examples that were sampled, or the first ones, are recorded as they are in the program."""
    with recording(capture_programs=True) as recorder:
        programs = [_label(), _label(sample=False)]
    assert recorder.control("compile", *SHOWN) == snapshot(
        [
            "compile LabeledFewShot",
            "  setup LabeledFewShot",
            "    dataset train",
            '  phase select phase.demos={"self":[[{"question":"3+1","answer":"4"},{"question":"5+1","answer":"6"}]]} phase.name=select',
            "compile LabeledFewShot",
            "  setup LabeledFewShot",
            "    dataset train",
            '  phase select phase.demos={"self":[[{"question":"0+1","answer":"1"},{"question":"1+1","answer":"2"}]]} phase.name=select',
        ]
    )
    recorded = [json.loads(selected["phase.demos"])["self"][0] for selected in recorder.attributes_of("phase select")]
    assert recorded == [[dict(demo.items()) for demo in program.demos] for program in programs]


def test_labeled_few_shot_that_is_given_nonsense() -> None:
    """It calls neither model nor metric: what it can break on is its training set, and the compile records it."""

    class Gone(list[Any]):
        """A training set whose file was taken away, which shows when it is drawn from."""

        def __getitem__(self, index: Any) -> Any:
            raise FileNotFoundError(f"no row {index}")

    recorder = same_with_and_without(lambda: _label_with(Gone(examples(3)), sample=False))
    assert recorder.control("compile", "error.type", "dataset.size") == snapshot(
        [
            "compile LabeledFewShot error.type=FileNotFoundError ERROR(no row slice(None, 2, None))",
            "  setup LabeledFewShot",
            "    dataset train dataset.size=3",
        ]
    )
    recorder = same_with_and_without(lambda: _label_with(Gone(examples(3)), sample=True))
    assert recorder.control("compile", "error.type", "dataset.size") == snapshot(
        ["compile LabeledFewShot", "  setup LabeledFewShot", "    dataset train dataset.size=3", "  phase select"]
    )


def _label_with(trainset: Any, *, sample: bool) -> Any:
    optimizer: Any = dspy.LabeledFewShot(k=2)
    return optimizer.compile(dspy.Predict("question -> answer"), trainset=trainset, sample=sample).dump_state()


def test_labeled_few_shot_in_mlflow(tmp_path: Path) -> None:
    """One run with the demos chosen, as they stand in the program that was returned."""
    program, tree = tracked_tree(tmp_path, _label)
    (run,) = tree.runs
    assert list(drawn(run)) == snapshot(
        [
            "LabeledFewShot Predict: FINISHED",
            "  params k=2, sample=True",
            "  metrics usage/lm_calls=0.0",
            "  artifacts best_model.json, candidates/demos.json, initial_model.json, optimization_summary.json, trainset.json",
            "  1 traces",
        ]
    )
    assert run.artifacts["candidates/demos.json"] == {"self": [[dict(demo.items()) for demo in program.demos]]}
    assert [demo["question"] for demo in run.artifacts["best_model.json"]["demos"]] == [
        demo.question for demo in program.demos
    ]
    assert [[span.name for span in trace.walk()] for trace in run.traces] == snapshot(
        [["compile LabeledFewShot", "setup LabeledFewShot", "dataset train", "phase select"]]
    )


def test_the_runs_in_mlflow(tmp_path: Path) -> None:
    """The attempts are one table of the compile's run, not a run each; a nested compile is one run."""
    _, runs = tracked_runs(tmp_path, _bootstrap)
    assert runs == snapshot(
        [
            "BootstrapFewShot Predict: FINISHED",
            "  params lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, max_bootstrapped_demos=2, max_errors=10, max_labeled_demos=3, max_rounds=2, metric=exact",
            "  metrics usage/lm_calls=2.0",
            "  artifacts best_model.json, bootstrap_table.json, candidates/demos.json, initial_model.json, optimization_summary.json, trainset.json",
            "  3 traces",
            "    LabeledFewShot Predict: FINISHED",
            "      params k=3, lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, sample=True",
            "      metrics usage/lm_calls=0.0",
            "      artifacts best_model.json, candidates/demos.json, initial_model.json, optimization_summary.json",
        ]
    )


def test_the_table_and_the_demos_in_mlflow(tmp_path: Path) -> None:
    """The table reads as attempts; the demos chosen are an artifact beside the program that holds them."""
    _, tree = tracked_tree(tmp_path, lambda: _bootstrap(max_labeled_demos=0))
    (run,) = tree.runs
    assert run.artifacts["bootstrap_table.json"] == snapshot(
        {
            "columns": [
                "index",
                "round",
                "accepted",
                "example_question",
                "example_answer",
                "pred_answer",
                "score",
                "example_id",
            ],
            "data": [
                [0, 0, False, "0+1", "1", "wrong", 0.0, "bfe2e71e9315e6cf"],
                [0, 1, False, "0+1", "1", "wrong", 0.0, "bfe2e71e9315e6cf"],
                [1, 0, True, "1+1", "2", "2", 1.0, "473159302de95433"],
                [2, 0, False, "2+1", "3", "wrong", 0.0, "9314af874c1399fa"],
                [2, 1, False, "2+1", "3", "wrong", 0.0, "9314af874c1399fa"],
                [3, 0, True, "3+1", "4", "4", 1.0, "7f8d08afc28dd7ea"],
            ],
        }
    )
    assert run.artifacts["candidates/demos.json"] == snapshot(
        {
            "self": [
                [
                    {"augmented": True, "question": "1+1", "answer": "2"},
                    {"augmented": True, "question": "3+1", "answer": "4"},
                ]
            ]
        }
    )
