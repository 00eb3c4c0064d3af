"""`otel_dspy.forecast` on scripted models: calls without a call, rates from examples and from MLflow."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final, cast

import dspy
import numpy as np
import pytest
from mlflow import MlflowClient

import otel_dspy.mlflow
from otel_dspy import forecast
from otel_dspy.forecasting.error import ForecastError
from otel_dspy.hooks.optimizers.plans.call_plan import Amount
from tests.support.addition_task import exact, examples
from tests.support.blank_store import store_with_experiment
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.learning_lm import learning_lm
from tests.support.mlflow_tree import read_tree
from tests.support.optimizers import Rounds
from tests.support.recorded_run import recording_into
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from pathlib import Path

_optimizers: Final[Any] = dspy.teleprompt
_QUIET: Final = {"num_threads": 1, "display_progress": False, "display_table": 0}


def _copro(metric: Any = exact) -> Any:
    return _optimizers.COPRO(metric=metric, breadth=3, depth=2)


def test_calls_without_a_call() -> None:
    """The forecast calls no model, and needs no instrumentation; it states what it assumes."""
    calls: list[object] = []
    with dspy.context(lm=learning_lm(before=lambda: calls.append(None))):
        found = forecast(_copro(), dspy.Predict("question -> answer"), examples(4))
    assert calls == []
    assert (found.program_runs, found.lm_calls) == (Amount.exactly(24), Amount.exactly(26))
    assert found.calls_by_role == {"task": Amount.exactly(24), "prompt": Amount.exactly(2)}
    assert (found.tokens, found.cost, found.seconds, found.source) == (None, None, None, None)
    assert str(found).splitlines() == [
        "COPRO on Predict",
        "  program runs  24",
        "  LM calls      26",
        "    task        24",
        "    prompt      2",
        "Each predictor is assumed to call its model once in a run of the program.",
        "Calls of the metric are not included: measure some examples to include them.",
    ]


def test_arguments_of_compile() -> None:
    """They are given by name; a range has its reason."""
    optimizer = _optimizers.MIPROv2(exact, auto=None, num_candidates=3, max_bootstrapped_demos=2, task_model=learning_lm(),
                                    prompt_model=learning_lm())  # fmt: skip
    found = forecast(
        optimizer, dspy.Predict("question -> answer"), examples(5), examples(4), num_trials=2, minibatch=False
    )
    assert found.calls_by_role["task"] == Amount.between(12 + 2, 12 + 5, 12 + 4)
    assert found.notes[0].startswith("A bootstrap ends once enough attempts have succeeded")
    with pytest.raises(ForecastError, match="compile would reject them"):
        forecast(optimizer, dspy.Predict("question -> answer"), examples(5), minibatch=False)
    with pytest.raises(ForecastError, match="There is no forecast for Rounds"):
        forecast(Rounds(exact), dspy.Predict("question -> answer"), examples(5))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"num_trials": -3}, "num_trials=-3 of compile is not a count: use a whole number of 0 or more"),
        ({"num_trials": math.nan}, "num_trials=nan of compile is not a count"),
        ({"num_trials": math.inf}, "num_trials=inf of compile is not a count"),
        ({"num_trials": True}, "num_trials=True of compile is not a count"),
        ({"num_trials": "5"}, "num_trials='5' of compile is not a count"),
        ({"num_trials": 10**12}, "num_trials=1000000000000 of compile is more than a forecast is made for: 1,000,000"),
        ({"num_trials": 2, "minibatch_size": 2.5}, "minibatch_size=2.5 of compile is not a count"),
        ({"num_trials": 2, "max_labeled_demos": -1}, "max_labeled_demos=-1 of compile is not a count"),
        (
            {"num_trials": 2, "measure": -1},
            "measure=-1 is not a number of examples: use a whole number from 1, or 0 to",
        ),
        ({"num_trials": 2, "measure": True}, "measure=True is not a number of examples"),
        ({"num_trials": 2, "measure": math.inf}, "measure=inf is not a number of examples"),
    ],
)
def test_invalid_counts(given: dict[str, Any], message: str) -> None:
    """The error names the argument, its value, and what to give instead."""
    optimizer = _optimizers.MIPROv2(
        exact, auto=None, num_candidates=3, task_model=learning_lm(), prompt_model=learning_lm()
    )
    with pytest.raises(ForecastError, match=re.escape(message)):
        forecast(optimizer, dspy.Predict("question -> answer"), examples(5), examples(4), **given)


def test_invalid_counts_of_an_optimizer() -> None:
    """Its settings are named with its class; a compile with them has no forecast, and is DSPy's."""
    copro: Any = _optimizers.COPRO(metric=exact, breadth=3, depth=-1)
    message = "There is no forecast: depth=-1 of COPRO is not a count: use a whole number of 0 or more."
    with pytest.raises(ForecastError, match=re.escape(message)):
        forecast(copro, dspy.Predict("question -> answer"), examples(4))


def test_whole_numbers_of_any_type() -> None:
    """Numpy's integers, and floats without a fraction."""
    optimizer: Any = _optimizers.COPRO(metric=exact, breadth=np.int64(3), depth=2.0)
    assert forecast(optimizer, dspy.Predict("question -> answer"), examples(4)).lm_calls.low == 26


class _Judged(dspy.Module):
    """Calls its model twice for long questions, once for others."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = dspy.Predict("question -> answer"), dspy.Predict("question -> answer")

    def forward(self, question: str) -> Any:
        """The answer."""
        found: Any = self.first(question=question)
        return cast("Any", self.second)(question=question) if question == "0+1" else found


def test_measured_examples() -> None:
    """Calls of a run, of the metric and their tokens come from two examples; prices are unknown."""
    judge: Any = dspy.Predict("answer -> verdict")

    def judged(example: dspy.Example, prediction: Any, trace: object = None) -> bool:
        del example, trace
        return judge(answer=prediction.answer).verdict == "yes"

    lm = in_process_lm(dspy_script({"answer": lambda _: "2", "verdict": lambda _: "yes"}))
    with recording(), dspy.context(lm=lm):
        found = forecast(_copro(judged), _Judged(), examples(4), measure=2)
    # Two predictors: 3 prompts each at the first depth, 6 at the second, of 4 examples.
    assert found.program_runs == Amount.exactly(72)
    assert found.calls_by_role == {
        "task": Amount.between(72, 144, 108),
        "prompt": Amount.exactly(4),
        "judge": Amount.exactly(72),
    }
    assert found.tokens == Amount.between((72 + 72) * 15, (144 + 72) * 15, (108 + 72) * 15)
    assert (found.cost, found.source) == (None, "2 measured examples")
    assert found.seconds is not None
    assert found.seconds.low > 0
    assert found.notes == (
        "Tokens and cost do not include the calls of prompt: none was measured.",
        "There is no cost: the price of a model is unknown.",
        "The measured program has no demos: those that an optimizer adds make its prompts longer.",
    )


def test_a_forecast_with_rates_is_on_the_setup() -> None:
    """Of the next compile of the same optimizer with the same arguments, and no other."""
    optimizer, program = _copro(), dspy.Predict("question -> answer")
    with recording() as recorder, dspy.context(lm=learning_lm()):
        found = forecast(optimizer, program, examples(4), measure=2)
        optimizer.compile(program, trainset=examples(4), eval_kwargs=_QUIET)
        optimizer.compile(program, trainset=examples(3), eval_kwargs=_QUIET)
        _copro().compile(program, trainset=examples(4), eval_kwargs=_QUIET)
    assert found.tokens == Amount.exactly(24 * 15)  # without the prompts'
    assert found.seconds is not None
    setups = [
        {name: value for name, value in setup.items() if re.match(r"forecast\.(tokens|cost|seconds)", name)}
        for setup in recorder.attributes_of("setup")
    ]
    assert setups == [
        {
            "forecast.tokens.low": 24 * 15.0, "forecast.tokens.high": 24 * 15.0,
            "forecast.seconds.low": found.seconds.low, "forecast.seconds.high": found.seconds.high,
        },
        {},
        {},
    ]  # fmt: skip


def test_measuring_needs_instrumentation() -> None:
    """The message has what to do."""
    with pytest.raises(ForecastError, match=re.escape("call otel_dspy.mlflow.autolog()")):
        forecast(_copro(), dspy.Predict("question -> answer"), examples(4), measure=1)


def test_a_measured_call_that_the_cache_answered_is_not_counted() -> None:
    """The others have the tokens of a call; a note gives the reason."""
    program: Any = dspy.Predict("question -> answer")
    trainset: list[Any] = examples(2)
    found: list[Any] = []
    for name, before in (("openai/not-cached", 0), ("openai/half-cached", 1)):
        with recording(), dspy.context(lm=in_process_lm(dspy_script({}), name, cache=True)):
            for example in trainset[:before]:
                program(question=example.question)
            found.append(forecast(_copro(), program, trainset, measure=2))
    cold, half = found
    assert cold.tokens.likely > 0
    assert half.tokens == cold.tokens
    note = "DSPy's cache answered some of the measured calls: they have no tokens, no cost and no duration."
    assert [note in one.notes for one in found] == [False, True]


def test_rates_of_a_run_that_the_cache_answered(tmp_path: Path) -> None:
    """Such a run has no tokens; a note gives the reason."""
    program, trainset = dspy.Predict("question -> answer"), examples(2)
    lm = in_process_lm(dspy_script({}), "openai/cached", cache=True)
    with recording_into(tmp_path) as uri, dspy.context(lm=lm):
        forecasts: list[Any] = []
        for _ in range(2):
            _copro().compile(program, trainset=trainset, eval_kwargs=_QUIET)
            assert otel_dspy.mlflow.flush()
            forecasts.append(forecast(_copro(), program, trainset, run="latest", tracking_uri=uri))
    cold, warm = forecasts
    assert cold.tokens.likely > 0
    assert warm.tokens.likely == 0
    of_the_cache = "DSPy's cache answered 14 of the run's 14 calls: they have no tokens, no cost and hardly any time."
    assert of_the_cache in warm.notes


def test_rates_of_a_past_run(tmp_path: Path) -> None:
    """The forecast of the same optimization has its calls and tokens; MLflow has forecast beside actual."""
    uri = store_with_experiment(tmp_path, "forecast")
    program, trainset = dspy.Predict("question -> answer"), examples(4)
    otel_dspy.mlflow.autolog(tracking_uri=uri, experiment="forecast")
    try:
        with dspy.context(lm=learning_lm()):
            _copro().compile(program, trainset=trainset, eval_kwargs=_QUIET)
    finally:
        otel_dspy.mlflow.autolog(disable=True)
    (run,) = read_tree(uri, "forecast").runs
    assert {name: value for name, value in run.params.items() if "forecast" in name} == {
        "forecast.lm_calls.low": "26", "forecast.lm_calls.high": "26",
        "forecast.role.task.lm_calls.low": "24", "forecast.role.task.lm_calls.high": "24",
        "forecast.role.prompt.lm_calls.low": "2", "forecast.role.prompt.lm_calls.high": "2",
    }  # fmt: skip
    # MLflow's page of a run lists metrics in this order.
    assert list(MlflowClient(uri).get_run(run.id).data.metrics)[:2] == ["score/best", "score/full"]
    found = forecast(_copro(), program, trainset, run="latest", tracking_uri=uri)
    assert found.source == f"run {run.id} (COPRO)"
    assert found.tokens == Amount.exactly(24 * 15 + 5 * 15)  # two proposals, of two and of three answers
    assert sum(run.metrics[name][-1][1] for name in ("usage/input_tokens", "usage/output_tokens")) == 24 * 15 + 5 * 15
    assert found.seconds is not None
    assert found.seconds.is_exact
    with pytest.raises(ForecastError, match="no finished optimization of a program ChainOfThought"):
        forecast(_copro(), dspy.ChainOfThought("question -> answer"), trainset, run="latest", tracking_uri=uri)
    with pytest.raises(ForecastError, match="There is no run 'nothing'"):
        forecast(_copro(), program, trainset, run="nothing", tracking_uri=uri)
