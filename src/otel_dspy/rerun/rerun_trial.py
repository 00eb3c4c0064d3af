"""Rerun of one trial: its recorded answers scored again, or its program run again from the record."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from otel_dspy.formatting.counted_nouns import counted
from otel_dspy.rerun.errors import RerunError
from otel_dspy.rerun.program_state import RECORD_PROGRAMS, loaded
from otel_dspy.rerun.recorded_run import recorded_run
from otel_dspy.rerun.recorded_trial import recorded_trial
from otel_dspy.rerun.replay_lm.api import calls_of_a_trial, model_of
from otel_dspy.rerun.scoring import score_answers, score_program

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.rerun.recorded_run import RecordedRun
    from otel_dspy.rerun.recorded_trial import RecordedTrial
    from otel_dspy.rerun.replay_lm.lm_class import ReplayLM
    from otel_dspy.rerun.scoring import Rescored
    from otel_dspy.rerun.trial_changes import Change


@dataclass(frozen=True)
class TrialRerun:
    """Result of a rerun.

    Attributes:
        run_id: id of the optimization's run.
        trial: the trial as recorded.
        unit: `percent` (0-100) or `ratio`, of the scores.
        rescored: the scores by example.
        answered: calls that were answered from the record; 0 where the recorded answers were scored.
        unknown: calls that were not in the record.
        sent: whether these were sent to a model.
    """

    run_id: str
    trial: RecordedTrial
    unit: str | None
    rescored: Rescored
    answered: int = 0
    unknown: int = 0
    sent: bool = False

    @property
    def score(self) -> float:
        """The score now."""
        return self.rescored.mean(self.unit)

    @property
    def is_complete(self) -> bool:
        """Whether all calls had an answer."""
        return self.sent or not self.unknown

    @property
    def json(self) -> str:
        """A JSON object."""
        return json.dumps(
            {
                "run_id": self.run_id,
                "trial": self.trial.row.index,
                "unit": self.unit,
                "recorded_score": self.trial.row.score,
                "score": _json_number(self.score),
                "examples": len(self.rescored.scores),
                "added": self.rescored.added,
                "changed": [
                    {"example": example, "recorded_score": recorded, "score": _json_number(now)}
                    for example, recorded, now in self.rescored.changed
                ],
                "failures": dict(self.rescored.failures),
                "calls": {"answered": self.answered, "unknown": self.unknown, "sent": self.unknown if self.sent else 0},
            },
            indent=2,
        )

    @property
    def text(self) -> str:
        """Plain text."""
        row, rescored = self.trial.row, self.rescored
        head = (
            f"Trial {row.index} of run {self.run_id}: score {_shown(row.score, self.unit)} as recorded, "
            f"{_shown(self.score, self.unit)} now, over {counted(len(rescored.scores), 'example')}, "
            f"{len(rescored.changed)} of them with another score"
            + (f", {rescored.added} not in the record" if rescored.added else "")
        )
        lines = [head]
        lines += [
            f"  example {example}: {known:g} as recorded, {_value_text(now)} now"
            for example, known, now in rescored.changed
        ]
        lines += [f"  example {name} failed: {text}" for name, text in rescored.failures.items()]
        sent = "sent to the model" if self.sent else "without an answer"
        lines.append(f"Calls: {self.answered} answered from the record, {self.unknown} {sent}")
        return "\n".join(lines)


def rescore_trial(
    run: str, metric: Callable[..., Any], trial: int | None = None, tracking_uri: str | None = None
) -> TrialRerun:
    """Score the recorded answers of a trial again. No program runs.

    Args:
        run: id of the optimization's run in MLflow, or `latest`.
        metric: called with the example and the recorded prediction.
        trial: index of the trial; None for the best one.
        tracking_uri: the MLflow store; None for MLflow's current one.

    Raises:
        RerunError: There is no such run or trial, or its results were not recorded.
        mlflow.exceptions.MlflowException: The store did not answer.
    """
    found = recorded_run(run, tracking_uri)
    recorded = recorded_trial(found, trial)
    unit = recorded.row.unit or found.unit
    return TrialRerun(str(found.run.info.run_id), recorded, unit, score_answers(recorded, metric))


def rerun_trial(  # noqa: PLR0913 - what runs, and where the record is
    run: str,
    program: Any,
    metric: Callable[..., Any],
    trial: int | None = None,
    *,
    model: str | None = None,
    fallback: Any = None,
    change: Change | None = None,
    threads: int = 1,
    tracking_uri: str | None = None,
) -> TrialRerun:
    """Run the program of a trial again on the examples that it was scored on, with calls answered from the record.

    Args:
        run: id of the optimization's run in MLflow, or `latest`.
        program: the program that was optimized. It is not changed; a copy gets the trial's state.
        metric: called with the example and the prediction.
        trial: index of the trial; None for the best one.
        model: the model of the program; needed if the record has several. With a fallback it may be another one than
            the recorded, all of whose calls are then sent.
        fallback: the model that gets calls that are not in the record; None to count their examples as failed.
        change: other instructions or examples; None without.
        threads: number of examples that run at the same time.
        tracking_uri: the MLflow store; None for MLflow's current one.

    Raises:
        RerunError: There is no such run or trial, its program, examples or calls were not recorded, or the program has
            other predictors.
        mlflow.exceptions.MlflowException: The store did not answer.
    """
    found = recorded_run(run, tracking_uri)
    recorded = recorded_trial(found, trial)
    index = recorded.row.index
    state = found.trial_state(index)
    if state is None:
        raise RerunError(f"Trial {index} of {found.name} has no recorded program. {RECORD_PROGRAMS}")
    copy = loaded(program, state, f"trial {index} of run {found.run.info.run_id}")
    if change is not None:
        recorded = change.apply(copy, recorded)
    lm = _model(found, index, model, fallback)
    copy.set_lm(lm)
    rescored = score_program(recorded, copy, metric, lm, threads)
    recordings = lm.recordings
    unit = recorded.row.unit or found.unit
    return TrialRerun(
        str(found.run.info.run_id),
        recorded,
        unit,
        rescored,
        recordings.answered,
        recordings.unknown,
        sent=fallback is not None,
    )


def _model(found: RecordedRun, index: int, model: str | None, fallback: Any) -> ReplayLM:
    """Return the model of the program: as given, else the one that the optimization's run has as a parameter."""
    from otel_dspy.rerun.replay_lm.answers import ReplayAnswers  # noqa: PLC0415 - DSPy: seconds
    from otel_dspy.rerun.replay_lm.lm_class import ReplayLM  # noqa: PLC0415 - as above

    recordings = calls_of_a_trial(found, index)
    if fallback is not None and model is not None and model == fallback.model and not recordings.has(model):
        return ReplayLM(ReplayAnswers(recordings, fallback=fallback), model, **fallback.kwargs)
    return model_of(recordings, model=model or found.run.data.params.get("lm.model"), fallback=fallback)


def _shown(score: float | None, unit: str | None) -> str:
    if score is None:
        return "none"
    if not math.isfinite(score):
        return _value_text(score)
    return f"{score:.1f} %" if unit == "percent" else f"{score:.4g}"


def _value_text(value: float) -> str:
    return "NaN" if math.isnan(value) else f"{value:g}"


def _json_number(value: float) -> float | None:
    """Return a number that JSON supports; None for NaN and infinity, as in the artifacts of runs."""
    return value if math.isfinite(value) else None
