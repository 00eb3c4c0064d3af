"""State lookup: recovers compile state from MLflow (programs, end status) that this process has not received.

Program states are artifacts of the runs that have their ids as tags; trials and the compile's end are spans of the
compile's trace. So neither a restart nor a second writer of the same compile needs state of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from otel_dspy.mlflow.tracking.state.run_lookup import RUN_TAG, run_tag
from otel_dspy.mlflow.tracking.store.traces.trace_ends import end_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_dspy.mlflow.mapping.run_keys import CompileRun
    from otel_dspy.mlflow.mapping.trace_operations import LogTrace
    from otel_dspy.mlflow.tracking.store.store_reader import FoundRun, StoreReader

INITIAL_TAG: Final = "otel_dspy.initial_program"
"""Tag of a compile's run: id of the initial program."""
_OF_ANY_RUN: Final = "model.json"


class StateLookup:
    """Lookup of compile state in one experiment."""

    def __init__(self, reader: Callable[[], StoreReader], experiment_id: Callable[[], str]) -> None:
        self._reader = reader
        self._experiment_id = experiment_id

    def program(self, compile_id: str, program_id: str) -> str | None:
        """Return the state of a program of the compile."""
        reader = self._reader()
        found = reader.runs(self._experiment_id(), dspy__compile__id=compile_id, dspy__program__id=program_id)
        for run in found:
            # Programs of trials, and the compile's best.
            for path in (_OF_ANY_RUN, "best_model.json"):
                text = reader.text(run.artifact_uri, path)
                if text is not None:
                    return text
        given = self.initial(compile_id)
        return given[1] if given is not None and given[0] == program_id else None

    def initial(self, compile_id: str) -> tuple[str, str] | None:
        """Return the id and state of the compile's initial program."""
        run = self._named(f"compile/{compile_id}")
        program_id = run.tags.get(INITIAL_TAG) if run is not None else None
        text = self._reader().text(run.artifact_uri, "initial_model.json") if run is not None and program_id else None
        return (program_id, text) if program_id and text is not None else None

    def ended(self, run: CompileRun) -> bool:
        """Whether the compile's run has ended."""
        found = self._named(run_tag(run))
        return found is not None and not found.running

    def completed(self, info: LogTrace) -> LogTrace:
        """Return the trace info with MLflow's end if that takes precedence over its own or it has none."""
        found = self._reader().trace_info(info.trace_id)
        if found is None:
            return info
        own, noted = end_of(info), found.end
        if noted is not None and (own is None or noted.weight < own.weight):
            return noted.applied_to(info)
        if own is not None:
            return info
        if found.state is None:
            return replace(info, start_ms=min(info.start_ms, found.start_ms))
        # The name that was logged with the end stays.
        return replace(info, state=found.state, start_ms=found.start_ms, duration_ms=found.duration_ms, name=None)

    def overwritten(self, trace_id: str) -> bool:
        """Whether the trace's info differs from the end that takes precedence."""
        found = self._reader().trace_info(trace_id)
        if found is None or found.end is None:
            return False
        end = found.end
        expected = (end.state, end.start_ms, end.duration_ms, end.name or found.name)
        return expected != (found.state, found.start_ms, found.duration_ms, found.name)

    def _named(self, tag: str) -> FoundRun | None:
        found = self._reader().runs(self._experiment_id(), **{RUN_TAG.replace(".", "__"): tag})
        return found[0] if found else None
