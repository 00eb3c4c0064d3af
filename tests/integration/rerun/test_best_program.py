"""The best program of an optimization, read from MLflow: after its end, while it runs, after it was interrupted."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import dspy
import pytest

import otel_dspy
from otel_dspy import RerunError
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.breakable_optimizations import DEMOS
from tests.support.gated_optimization import GatedOptimization
from tests.support.learning_lm import learning_lm
from tests.support.optimizers import Breaking, Rounds
from tests.support.recorded_run import instrumented_into, recording_into
from tests.support.waiting import PATIENCE, awaited

if TYPE_CHECKING:
    from pathlib import Path


def student() -> Any:
    """The program."""
    return dspy.Predict("question -> answer")


def demos(program: Any) -> list[dict[str, Any]]:
    """The demos of the program."""
    return [dict(demo) for demo in program.demos]


def test_of_a_finished_optimization(tmp_path: Path) -> None:
    """The program that the optimizer returned, with its score; the given one keeps its demos, both their model."""
    with recording_into(tmp_path) as uri, dspy.context(lm=addition_lm()):
        optimizer: Any = dspy.BootstrapFewShotWithRandomSearch(
            metric=exact, num_candidate_programs=1, num_threads=1, **DEMOS
        )
        returned: Any = optimizer.compile(student(), trainset=examples(4))
    given = student()
    given.lm = addition_lm()
    best = otel_dspy.best_program("latest", given, tracking_uri=uri)
    assert (best.score, best.unit, best.trial) == (50.0, "percent", 0)
    assert demos(best.program) == demos(returned)
    assert best.program.lm.model == "openai/scripted"
    loaded = otel_dspy.best_program(best.run_id, student(), tracking_uri=uri).program
    assert (demos(loaded), loaded.lm) == (demos(returned), None)


class Searching(dspy.Module):
    """An answer from passages; a program with `dspy.Retrieve` cannot be dumped by DSPy."""

    def __init__(self) -> None:
        super().__init__()
        self.search = dspy.Retrieve(k=2)
        self.answer = dspy.Predict("context, question -> answer")

    def forward(self, question: str) -> Any:
        """Search, then answer."""
        search: Any = self.search
        return self.answer(context=search(question).passages, question=question)


def test_of_a_program_that_retrieves(tmp_path: Path) -> None:
    """Each trial has its program, and the best one is loaded."""

    def search(query: str, k: int, **_: object) -> list[Any]:
        return [dspy.Prediction(long_text=f"{query} {number}") for number in range(k)]

    with recording_into(tmp_path) as uri, dspy.context(lm=learning_lm(), rm=search):
        optimizer: Any = dspy.BootstrapFewShotWithRandomSearch(
            metric=exact, num_candidate_programs=1, num_threads=1, **DEMOS
        )
        returned: Any = optimizer.compile(Searching(), trainset=examples(4))
    best: Any = otel_dspy.best_program("latest", Searching(), tracking_uri=uri)
    assert demos(returned.answer)
    assert demos(best.program.answer) == demos(returned.answer)


def test_of_a_running_optimization(tmp_path: Path) -> None:
    """The program of the best trial so far; before the first one there is none."""
    optimization = GatedOptimization(2 * PATIENCE)
    with recording_into(tmp_path) as uri, optimization.released():
        thread = threading.Thread(target=optimization)
        thread.start()

        def best() -> Any:
            try:
                return otel_dspy.best_program("latest", student(), tracking_uri=uri)
            except RerunError as error:
                problems.append(str(error))
                return None

        problems: list[str] = []
        assert awaited(lambda: best() or any("RUNNING" in problem for problem in problems), "the run")
        assert (
            "has no trial with a score on the whole validation set, of 0 trials. Call this again later" in problems[-1]
        )
        optimization.let(0)
        found = awaited(best, "the first trial")
        assert (found.score, found.trial) == (50.0, 0)
        optimization.let(1)
        thread.join()


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt()])
def test_of_an_optimization_that_did_not_end(tmp_path: Path, error: BaseException) -> None:
    """The program of the best full trial, whether the run is FAILED or KILLED."""
    program = student()
    program.demos = [dspy.Example(question="1+1", answer="2")]
    with recording_into(tmp_path) as uri, dspy.context(lm=addition_lm()), pytest.raises(type(error)):
        Breaking(error).compile(program, trainset=examples(2))
    best = otel_dspy.best_program("latest", student(), tracking_uri=uri)
    assert (best.score, best.trial) == (50.0, 0)
    assert demos(best.program) == [{"question": "1+1", "answer": "2"}]


def test_messages(tmp_path: Path) -> None:
    """No such run, another program, programs that were not recorded: what is missing, and what to do."""
    with recording_into(tmp_path) as uri, dspy.context(lm=addition_lm()):
        Rounds(exact, rounds=1).compile(student(), trainset=examples(1))
    with pytest.raises(RerunError, match="There is no run 'nothing'"):
        otel_dspy.best_program("nothing", student(), tracking_uri=uri)
    with pytest.raises(RerunError, match=r"has the predictors self; the given one has predict. Pass a program that"):
        otel_dspy.best_program("latest", dspy.ChainOfThought("question -> answer"), tracking_uri=uri)
    other = tmp_path / "other"
    with instrumented_into(other, capture_content=True, capture_programs=False) as uri, dspy.context(lm=addition_lm()):
        Rounds(exact, rounds=1).compile(student(), trainset=examples(1))
    with pytest.raises(RerunError, match=r"has no recorded program\. .* with capture_programs=True"):
        otel_dspy.best_program("latest", student(), tracking_uri=uri)
