"""`otel_dspy.replay_lm`: a language model that answers the recorded calls of an optimization."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.argument_checks import check_text, check_texts
from otel_dspy.environment.optional_modules import is_installed
from otel_dspy.rerun.errors import RerunError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from otel_dspy.rerun.calls_by_request import Recordings
    from otel_dspy.rerun.recorded_call import RecordedCall
    from otel_dspy.rerun.recorded_run import RecordedRun
    from otel_dspy.rerun.replay_lm.lm_class import ReplayLM

RECORD_CONTENT: Final = (
    "Messages are recorded with content: otel_dspy.mlflow.autolog() does so, and DSPyInstrumentor().instrument() with "
    "capture_content=True."
)
"""How to record messages, for errors."""
_FILES: Final = (".json", ".jsonl")
_NOT_DEFAULT: Final = frozenset({"rollout_id", "n", "tools", "stop", "response_format", "tool_choice"})
"""Settings that a program chooses for a call, so that they are not defaults of the model."""


def replay_lm(  # noqa: PLR0913 - where the record is, and what the model is
    run: str | Path = "latest",
    *,
    model: str | None = None,
    like: Any = None,
    fallback: Any = None,
    tracking_uri: str | None = None,
    experiment: str | None = None,
    **settings: Any,
) -> ReplayLM:
    """Return a language model that answers the recorded calls of an optimization without a request.

    A call matches a recorded one if model, messages and settings are the same. Repeated calls get the recorded answers
    in order; after the last one, that one again. Copies of the model (`lm.copy(...)`) continue the same record.

    Args:
        run: id of the optimization's run in MLflow, or `latest` for the one that started last; or a path: a file of
            the Collector's file exporter in OTLP JSON, a spool file, or a folder of such files. A text is a path if it
            ends with .json or .jsonl, or has a separator.
        model: name of the recorded model whose calls it answers; needed if the record has several.
        like: the model that was used: its name, settings and supported features are taken.
        fallback: the model that gets calls that are not in the record, and is as `like`; None to raise an error.
        tracking_uri: the MLflow store; None for MLflow's current one.
        experiment: name of the experiment in which `latest` searches; None for all.
        **settings: default settings of the model, such as `temperature`. Others are those of `like`, of `fallback`, or
            without both, those of the model's first recorded call in the program itself.

    Raises:
        RerunError: There is no such run or file, it has no recorded calls with messages, or none of this model, the
            model must be named, or DSPy or MLflow is missing.
        ValueError: An argument is not a text, or is empty.
        mlflow.exceptions.MlflowException: The store did not answer.
    """
    if not isinstance(run, Path):
        check_text("replay_lm", "run", run)
    check_texts("replay_lm", model=model, tracking_uri=tracking_uri, experiment=experiment)
    if not is_installed("dspy"):
        raise RerunError("Calls are replayed by a language model of DSPy, which is missing.")
    return model_of(
        recorded_calls(run, tracking_uri, experiment), model=model, like=like, fallback=fallback, **settings
    )


def model_of(
    recordings: Recordings, *, model: str | None = None, like: Any = None, fallback: Any = None, **settings: Any
) -> ReplayLM:
    """Return a language model that answers recorded calls.

    Args:
        recordings: the recorded calls.
        model: see `replay_lm`.
        like: see `replay_lm`.
        fallback: see `replay_lm`.
        settings: see `replay_lm`.

    Raises:
        RerunError: The record has no calls of this model, or several models of which none is named.
    """
    from otel_dspy.rerun.replay_lm.answers import ReplayAnswers  # noqa: PLC0415 - DSPy: seconds
    from otel_dspy.rerun.replay_lm.lm_class import ReplayLM  # noqa: PLC0415 - as above

    original = like if like is not None else fallback
    if original is not None:
        given = {**original.kwargs, **settings}
        name = _chosen(recordings, model or str(original.model))
        return ReplayLM(ReplayAnswers(recordings, capabilities=like, fallback=fallback), name, **given)
    name = _chosen(recordings, model)
    usual = recordings.usual(name)
    defaults = {} if usual is None else {key: usual.settings[key] for key in usual.settings.keys() - _NOT_DEFAULT}
    return ReplayLM(ReplayAnswers(recordings), name, **{**defaults, **settings})


def recorded_calls(run: str | Path, tracking_uri: str | None = None, experiment: str | None = None) -> Recordings:
    """Read the recorded calls of an optimization.

    Args:
        run: id of the run, `latest`, or a path, as in `replay_lm`.
        tracking_uri: the MLflow store; None for MLflow's current one.
        experiment: name of the experiment in which `latest` searches; None for all.

    Raises:
        RerunError: There is no such run or file, or it has no recorded calls with messages.
        mlflow.exceptions.MlflowException: The store did not answer.
    """
    return _recordings(run, lambda: _calls(run, tracking_uri, experiment))


def calls_of_a_trial(found: RecordedRun, index: int) -> Recordings:
    """Read the recorded calls of a trial. Those of the whole optimization are read when one of them is needed.

    Args:
        found: the optimization.
        index: index of the trial.

    Raises:
        RerunError: The optimization has no recorded calls with messages.
        mlflow.exceptions.MlflowException: The store did not answer.
    """
    from otel_dspy.rerun.mlflow_calls import calls_of_run, calls_of_trial  # noqa: PLC0415 - MLflow: seconds

    return _recordings(found.name, lambda: calls_of_trial(found, index), lambda: calls_of_run(found))


def _recordings(
    run: str | Path,
    calls: Callable[[], Iterator[RecordedCall | None]],
    rest: Callable[[], Iterator[RecordedCall | None]] | None = None,
) -> Recordings:
    from otel_dspy.rerun.calls_by_request import Recordings  # noqa: PLC0415 - MLflow: seconds

    unrecorded = 0

    def with_messages(calls: Callable[[], Iterator[RecordedCall | None]]) -> Iterator[RecordedCall]:
        nonlocal unrecorded
        for call in calls():
            if call is None:
                unrecorded += 1
            else:
                yield call

    found = Recordings(with_messages(calls), None if rest is None else lambda: with_messages(rest))
    if not found.models:
        lacking = f"{unrecorded} language model calls, none with its messages" if unrecorded else "no calls"
        more = (
            RECORD_CONTENT if unrecorded else "Traces must be recorded (log_traces), and delivered to where you read."
        )
        raise RerunError(f"The record of {run} has {lacking}. {more}")
    return found


def _calls(run: str | Path, tracking_uri: str | None, experiment: str | None) -> Iterator[RecordedCall | None]:
    if isinstance(run, Path) or Path(run).suffix in _FILES or "/" in run or os.sep in run:
        from otel_dspy.rerun.file_calls import calls_of_files  # noqa: PLC0415 - needs protobuf

        return calls_of_files(Path(run))
    if not is_installed("mlflow"):
        raise RerunError("Runs are read from MLflow, which is missing. Install otel-dspy[mlflow], or pass files.")
    from otel_dspy.rerun.mlflow_calls import calls_of_run  # noqa: PLC0415 - MLflow: seconds
    from otel_dspy.rerun.recorded_run import recorded_run  # noqa: PLC0415 - as above

    return calls_of_run(recorded_run(run, tracking_uri, experiment))


def _chosen(recordings: Recordings, model: str | None) -> str:
    """Return the recorded name of a model, which may be given without its provider.

    Raises:
        RerunError: There is no such model, or several if none is given.
    """
    names = sorted(recordings.models)
    if model is None:
        if len(names) == 1:
            return names[0]
        raise RerunError(f"The record has calls of {len(names)} models: pass model= with one of {', '.join(names)}.")
    found = [name for name in names if model in {name, name.partition("/")[2]}]
    if len(found) == 1:
        return found[0]
    raise RerunError(f"The record has no calls of {model}, but of {', '.join(names)}: pass one of them as model=.")
