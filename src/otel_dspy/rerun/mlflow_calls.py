"""Recorded calls of an optimization, read from the traces in MLflow page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from otel_dspy import semconv
from otel_dspy.mlflow.tracking.store import capabilities
from otel_dspy.mlflow.tracking.store.paging import every_page
from otel_dspy.reporting.runs.read_error import store_errors
from otel_dspy.rerun.errors import RerunError
from otel_dspy.rerun.recorded_call import recorded_call
from otel_dspy.rerun.stored_span import stored_call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow import MlflowClient

    from otel_dspy.rerun.recorded_call import RecordedCall
    from otel_dspy.rerun.recorded_run import RecordedRun

_PAGE: Final = 200


def calls_of_run(found: RecordedRun) -> Iterator[RecordedCall | None]:
    """Yield the calls of an optimization and of those inside it; None for each call without recorded messages.

    Raises:
        RerunError: The installed MLflow does not support traces.
    """
    experiment = str(found.run.info.experiment_id)
    with store_errors(found.tracking_uri):
        compile_ids = _compile_ids(found.client, experiment, found.run.data.tags[semconv.DSPY_COMPILE_ID])
    for compile_id in compile_ids:
        yield from _calls_of(found, f"tag.`{semconv.DSPY_COMPILE_ID}` = '{compile_id}'")


def calls_of_trial(found: RecordedRun, index: int) -> Iterator[RecordedCall | None]:
    """Yield the calls of a trial that are in traces of its own, one for each example.

    Args:
        found: the optimization.
        index: index of the trial.

    Raises:
        RerunError: The installed MLflow does not support traces.
    """
    compile_id = found.run.data.tags[semconv.DSPY_COMPILE_ID]
    yield from _calls_of(
        found,
        f"tag.`{semconv.DSPY_COMPILE_ID}` = '{compile_id}' AND tag.`{semconv.DSPY_TRIAL_INDEX}` = '{index}'",
    )


def _calls_of(found: RecordedRun, wanted: str) -> Iterator[RecordedCall | None]:
    if not capabilities.TRACES:
        raise RerunError("The installed MLflow does not support traces, which have the calls: upgrade it.")
    with store_errors(found.tracking_uri):  # an error of the caller is not raised here
        for trace in every_page(
            lambda token: cast("Any", found.client).search_traces(
                locations=[str(found.run.info.experiment_id)],
                filter_string=wanted,
                max_results=_PAGE,
                page_token=token,
                include_spans=True,
            )
        ):
            yield from _calls(trace)


def _calls(trace: Any) -> Iterator[RecordedCall | None]:
    place = f"trace {trace.info.trace_id}"
    for span in trace.data.spans:
        call = stored_call(span)
        if call is not None:
            yield recorded_call(call.attributes, call.start_ns, call.error, place)


def _compile_ids(client: MlflowClient, experiment: str, compile_id: str) -> list[str]:
    """Return the id of a compile and those of the compiles inside it."""
    found = [compile_id]
    for parent in found:  # grows during the loop
        wanted = f"tags.`{semconv.DSPY_COMPILE_PARENT_ID}` = '{parent}'"
        runs = every_page(
            lambda token, wanted=wanted: cast(
                "Any", client.search_runs([experiment], wanted, max_results=_PAGE, page_token=token)
            )
        )
        ids = (str(run.data.tags.get(semconv.DSPY_COMPILE_ID)) for run in runs)
        found += [one for one in dict.fromkeys(ids) if one not in found]
    return found
