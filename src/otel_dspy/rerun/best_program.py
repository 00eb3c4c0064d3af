"""`otel_dspy.best_program`: the best program of an optimization, however it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from otel_dspy.argument_checks import check_program, check_text, check_texts
from otel_dspy.environment.optional_modules import is_installed
from otel_dspy.formatting.counted_nouns import counted
from otel_dspy.rerun.errors import RerunError

if TYPE_CHECKING:
    from otel_dspy.rerun.recorded_run import RecordedRun

ProgramT = TypeVar("ProgramT")


@dataclass(frozen=True)
class BestProgram(Generic[ProgramT]):
    """The best program of an optimization.

    Attributes:
        program: a copy of the given program with the instructions and demos of the best candidate.
        score: its score on the whole validation set, in `unit`; None if the optimizer scores no candidates.
        unit: `percent` (0-100) or `ratio`; None without a score.
        trial: index of its trial; None if no trial has it.
        run_id: id of the optimization's run in MLflow.
    """

    program: ProgramT
    score: float | None
    unit: str | None
    trial: int | None
    run_id: str


def best_program(
    run: str, program: ProgramT, *, tracking_uri: str | None = None, experiment: str | None = None
) -> BestProgram[ProgramT]:
    """Load the best program of an optimization: the one that it returned, else that of its best trial so far.

    The optimization may have finished, failed, been killed, or be running. Only scores on the whole validation set
    compete, or those by which a `val_evaluation_policy` of GEPA chooses; of equal ones the first trial is taken.

    Args:
        run: id of the optimization's run in MLflow, or `latest` for the one that started last.
        program: the program that was optimized, or another one with the same predictors. It is not changed.
        tracking_uri: the MLflow store; None for MLflow's current one.
        experiment: name of the experiment in which `latest` searches; None for all.

    Returns:
        A copy of the program, with its score and trial.

    Raises:
        RerunError: There is no such run, no trial of an unfinished optimization has a score on the whole validation
            set, programs were not recorded, the recorded program has other predictors or fields, or MLflow is
            missing.
        ValueError: An argument is not a text, or is empty; or the program is not one.
        mlflow.exceptions.MlflowException: The store did not answer.
    """
    check_text("best_program", "run", run)
    check_program("best_program", program)
    check_texts("best_program", tracking_uri=tracking_uri, experiment=experiment)
    if not is_installed("mlflow"):
        raise RerunError("Programs are read from MLflow, which is missing. Install otel-dspy[mlflow].")
    from otel_dspy.rerun.program_state import RECORD_PROGRAMS, loaded  # noqa: PLC0415 - MLflow: seconds
    from otel_dspy.rerun.recorded_run import recorded_run  # noqa: PLC0415 - as above

    found = recorded_run(run, tracking_uri, experiment)
    best = found.best_trial()
    if best is None and not found.finished:
        raise RerunError(_no_trial(found))
    state = found.best_state() if found.finished else None
    if state is None and best is not None:
        state = found.trial_state(best.index)
    if state is None:
        raise RerunError(f"{found.name} has no recorded program. {RECORD_PROGRAMS}")
    given: Any = program
    return BestProgram(
        loaded(given, state, f"run {found.run.info.run_id}"),
        found.best_score if best is None else best.score,
        found.unit if best is None else best.unit,
        None if best is None else best.index,
        str(found.run.info.run_id),
    )


def _no_trial(found: RecordedRun) -> str:
    count = len(found.children)
    later = " Call this again later." if str(found.run.info.status) == "RUNNING" else ""
    return f"{found.name} has no trial with a score on the whole validation set, of {counted(count, 'trial')}.{later}"
