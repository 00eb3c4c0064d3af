"""A language model's server that is down from the start, or dies in the middle of an optimization and comes back."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import dspy
from inline_snapshot import snapshot

from tests.support.addition_task import exact, examples, half_right
from tests.support.dspy_answers import dspy_script
from tests.support.lm_server import scripted_lm
from tests.support.mlflow_server import free_port
from tests.support.optimizer_runs import drawn, tracked_tree
from tests.support.optimizers import Rounds
from tests.support.with_and_without import outcome, same_with_and_without

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.mlflow_tree import RunNode

EXAMPLES = 4


class Served:
    """A server that is up for the calls of the program that say so, at one port."""

    def __init__(self, up: str) -> None:
        self._up = up
        self._port = free_port()
        self._running = ExitStack()
        self._call = 0
        self.lm = dspy.LM(
            "openai/served", api_base=f"http://127.0.0.1:{self._port}/v1", api_key="k", cache=False, num_retries=0
        )

    def called(self) -> None:
        """The program is called: bring the server into the state that the call is to find."""
        before = self._call > 0 and self._up[self._call - 1] == "+"
        now = self._up[self._call] == "+"
        self._call += 1
        if now and not before:
            self._running.enter_context(scripted_lm(dspy_script({"answer": half_right}), port=self._port))
        elif before and not now:
            self._running.close()

    def over(self) -> None:
        """Stop it."""
        self._running.close()


def _optimize(up: str, max_errors: int = 100) -> Any:
    """Three rounds over four examples; what DSPy gave for each example of each, and what came of it."""
    served = Served(up)
    scored: list[Any] = []

    class Program(dspy.Module):
        def __init__(self) -> None:
            super().__init__()
            self.predict = dspy.Predict("question -> answer")

        def forward(self, question: str) -> Any:
            served.called()
            return self.predict(question=question)

    def noted(example: dspy.Example, prediction: dspy.Prediction, trace: object = None) -> bool:
        right = exact(example, prediction, trace)
        scored.append((example["question"], right))
        return right

    try:
        with dspy.context(lm=served.lm, max_errors=max_errors):
            return outcome(lambda: Rounds(noted, rounds=3).compile(Program(), trainset=examples(EXAMPLES))), scored
    finally:
        served.over()


def _rows(run: RunNode) -> list[list[tuple[Any, ...]]]:
    """Score and error of each example, trial by trial; of an error the type's name."""
    recorded: list[list[tuple[Any, ...]]] = []
    for trial in run.children:
        table = trial.artifacts["result_table.json"]
        rows = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
        recorded.append([(row["score"], row["error"] and row["error"].partition(":")[0]) for row in rows])
    return recorded


def test_down_from_the_start(tmp_path: Path) -> None:
    """DSPy ends it with its own error when there are too many, with us and without; trial and run are FAILED."""
    down = "-" * EXAMPLES * 3
    recorder = same_with_and_without(lambda: _optimize(down, max_errors=3))
    assert [recorded["lm.retries"] for recorded in recorder.attributes_of("chat")] == [0] * 3
    (raised, scored), tree = tracked_tree(tmp_path, lambda: _optimize(down, max_errors=3))
    assert (raised, scored) == snapshot((("Exception", "Execution cancelled due to errors or interruption."), []))
    (run,) = tree.runs
    assert list(drawn(run)) == snapshot(
        [
            "Rounds Program: FAILED",
            "  params lm.cache=False, lm.model=openai/served, lm.model_type=chat, lm.num_retries=0, metric=noted, rounds=3",
            "  tags error.type=Exception",
            '  metrics score/errors=3.0, usage/lm_calls={"0": 3.0, "1": 3.0}',
            "  artifacts initial_model.json, optimization_summary.json, trainset.json",
            "  1 traces",
            "    trial 0: FAILED",
            "      tags dspy.trial.derived=true, dspy.trial.index=0, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.scope=full, dspy.trial.state=fail, error.type=Exception",
            "      metrics score/errors=3.0, score/errors/dspy.utils.exceptions.LMTransportError=3.0, usage/lm_calls=3.0",
            "      artifacts changes.md, model.json, result_table.json",
            "      3 traces",
        ]
    )
    assert [(trace.state, [span.status for span in trace.walk()]) for trace in run.children[0].traces] == snapshot(
        [
            ("ERROR", ["ERROR", "ERROR", "ERROR", "ERROR"]),
            ("ERROR", ["ERROR", "ERROR", "ERROR", "ERROR"]),
            ("ERROR", ["ERROR", "ERROR", "ERROR", "ERROR"]),
        ]
    )


def test_dies_in_the_middle_and_comes_back(tmp_path: Path) -> None:
    """Away from the middle of the first round to the first example of the third: those fail, the others are scored.

    What DSPy makes of it is the same with us and without, and the record has the outcome of each example.
    """
    up = "++-------+++"
    same_with_and_without(lambda: _optimize(up))
    (ended, scored), tree = tracked_tree(tmp_path, lambda: _optimize(up))
    assert (ended[0], scored) == snapshot(
        ("returned", [("0+1", False), ("1+1", True), ("1+1", True), ("2+1", False), ("3+1", True)])
    )
    (run,) = tree.runs
    assert list(drawn(run)) == snapshot(
        [
            "Rounds Program: FINISHED",
            "  params lm.cache=False, lm.model=openai/served, lm.model_type=chat, lm.num_retries=0, metric=noted, rounds=3",
            "  tags dspy.compile.best_trial.index=2",
            '  metrics score/best={"0": 25.0, "1": 25.0, "2": 50.0, "3": 50.0}, score/errors=7.0, score/full={"0": 25.0, "1": 0.0, "2": 50.0}, usage/lm_calls={"0": 4.0, "1": 8.0, "2": 12.0, "3": 12.0}',
            "  artifacts best_model.json, initial_model.json, optimization_summary.json, trainset.json",
            "  1 traces",
            "    trial 0: FINISHED",
            "      tags dspy.trial.derived=true, dspy.trial.index=0, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "      metrics score/errors=2.0, score/errors/dspy.utils.exceptions.LMTransportError=2.0, score/full=25.0, score/num_examples=4.0, usage/lm_calls=4.0",
            "      artifacts changes.md, model.json, result_table.json",
            "      4 traces",
            "    trial 1: FAILED",
            "      tags dspy.trial.derived=true, dspy.trial.index=1, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete, error.type=dspy.utils.exceptions.LMTransportError",
            "      metrics score/errors=4.0, score/errors/dspy.utils.exceptions.LMTransportError=4.0, score/full=0.0, score/num_examples=4.0, usage/lm_calls=4.0",
            "      artifacts changes.md, model.json, result_table.json",
            "      4 traces",
            "    trial 2: FINISHED",
            "      tags dspy.trial.derived=true, dspy.trial.index=2, dspy.trial.is_best=true, dspy.trial.kind=candidate, dspy.trial.scope=full, dspy.trial.score.unit=percent, dspy.trial.state=complete",
            "      metrics score/errors=1.0, score/errors/dspy.utils.exceptions.LMTransportError=1.0, score/full=50.0, score/num_examples=4.0, usage/lm_calls=4.0",
            "      artifacts changes.md, model.json, result_table.json",
            "      4 traces",
        ]
    )
    assert _rows(run) == snapshot(
        [
            [
                (0.0, None),
                (1.0, None),
                (None, "dspy.utils.exceptions.LMTransportError"),
                (None, "dspy.utils.exceptions.LMTransportError"),
            ],
            [
                (None, "dspy.utils.exceptions.LMTransportError"),
                (None, "dspy.utils.exceptions.LMTransportError"),
                (None, "dspy.utils.exceptions.LMTransportError"),
                (None, "dspy.utils.exceptions.LMTransportError"),
            ],
            [(None, "dspy.utils.exceptions.LMTransportError"), (1.0, None), (0.0, None), (1.0, None)],
        ]
    )
    assert [[trace.state for trace in trial.traces] for trial in run.children] == snapshot(
        [["OK", "OK", "ERROR", "ERROR"], ["ERROR", "ERROR", "ERROR", "ERROR"], ["ERROR", "OK", "OK", "OK"]]
    )
