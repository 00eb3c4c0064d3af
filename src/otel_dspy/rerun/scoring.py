"""Scores of a recorded trial, computed again: of its recorded answers, or of its program run again."""

from __future__ import annotations

import inspect
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import dspy

from otel_dspy.hooks.metric.metric_values import as_score
from otel_dspy.telemetry.error_line import error_line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_dspy.rerun.recorded_trial import RecordedTrial, ScoredExample


@dataclass(frozen=True)
class Rescored:
    """Scores by example, recorded and now.

    Attributes:
        scores: (example id, recorded score, score now); an example that failed has 0, the recorded score of one that
            the trial was not scored on is None.
        failures: examples whose program or metric raised now, with the exception's text, without secrets.
        attempted: number of examples on which the program ran or the metric was called.
    """

    scores: tuple[tuple[str, float | None, float], ...]
    failures: Mapping[str, str]
    attempted: int

    @property
    def all_failed(self) -> bool:
        """Whether the program or the metric raised on every example that it was called for."""
        return self.attempted > 0 and len(self.failures) == self.attempted

    def mean(self, unit: str | None) -> float:
        """Return the mean of the scores now, in percent or as a ratio."""
        mean = sum(now for _, _, now in self.scores) / len(self.scores)
        return round(100 * mean, 2) if unit == "percent" else mean

    @property
    def changed(self) -> list[tuple[str, float, float]]:
        """The examples with another score."""
        return [(name, known, now) for name, known, now in self.scores if known is not None and known != now]

    @property
    def added(self) -> int:
        """Number of examples that the trial was not scored on."""
        return sum(known is None for _, known, _ in self.scores)


def score_answers(trial: RecordedTrial, metric: Callable[..., Any]) -> Rescored:
    """Apply a metric to the recorded answers. Examples that had failed without an answer keep the score 0."""

    def score(example: ScoredExample) -> Any:
        made: Any = dspy.Prediction(**example.prediction)
        return metric(_example(example, frozenset(example.fields) - trial.predicted), made)

    return _scored_answers(trial, score)


def score_program(trial: RecordedTrial, program: Any, metric: Callable[..., Any], lm: Any, threads: int) -> Rescored:
    """Run a program on the trial's examples, and apply a metric.

    Args:
        trial: the trial.
        program: its program.
        metric: called with the example and the prediction.
        lm: the language model of the program.
        threads: number of examples that run at the same time.
    """
    inputs = _input_names(program, trial)
    results: dict[int, Any] = {}
    errors: dict[int, str] = {}
    examples = [_example(example, inputs) for example in trial.examples]
    positions = {id(example): position for position, example in enumerate(examples)}

    def run(example: Any) -> None:
        position = positions[id(example)]
        try:
            results[position] = metric(example, program(**example.inputs()))
        except Exception as error:  # noqa: BLE001 - a user's program and metric may raise anything
            errors[position] = error_line(error)

    # Each example has a copy of the context, in which DSPy keeps the language model.
    of_dspy: Any = dspy
    with of_dspy.context(lm=lm), ThreadPoolExecutor(threads) as pool:
        for future in [pool.submit(copy_context().run, run, example) for example in examples]:
            future.result()
    return _rescored(trial, results, errors, len(examples))


def _scored_answers(trial: RecordedTrial, score: Callable[[ScoredExample], Any]) -> Rescored:
    results: dict[int, Any] = {}
    errors: dict[int, str] = {}
    answered = [(position, example) for position, example in enumerate(trial.examples) if example.prediction]
    for position, example in answered:
        try:
            results[position] = score(example)
        except Exception as error:  # noqa: BLE001 - a user's metric may raise anything
            errors[position] = error_line(error)
    return _rescored(trial, results, errors, len(answered))


def _rescored(trial: RecordedTrial, results: Mapping[int, Any], errors: Mapping[int, str], attempted: int) -> Rescored:
    return Rescored(
        tuple(
            (example.id, example.score, as_score(results.get(position, 0.0)) or 0.0)
            for position, example in enumerate(trial.examples)
        ),
        {trial.examples[position].id: text for position, text in sorted(errors.items())},
        attempted,
    )


def _example(example: ScoredExample, inputs: frozenset[str]) -> Any:
    made: Any = dspy.Example(**example.fields)
    return made.with_inputs(*(name for name in example.fields if name in inputs))


def _input_names(program: Any, trial: RecordedTrial) -> frozenset[str]:
    """Return the fields of the examples that the program takes; the record does not name them.

    Those of its `forward`, else the input fields of its predictors that it does not predict itself.
    """
    of_class: Any = cast("Any", type(program))  # an instance logs a warning
    parameters = inspect.signature(of_class.forward).parameters.values()
    if all(one.kind is not inspect.Parameter.VAR_KEYWORD for one in parameters):
        return frozenset(one.name for one in parameters)
    taken = {name for _, predictor in program.named_predictors() for name in predictor.signature.input_fields}
    return frozenset(taken) - trial.predicted
