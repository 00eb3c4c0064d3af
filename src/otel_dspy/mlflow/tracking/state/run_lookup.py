"""Run lookup and creation: from a run's name to its id, cached, found by tag, or created."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, assert_never

from otel_dspy.mlflow.mapping import naming
from otel_dspy.mlflow.mapping.run_keys import CompileRun, EvaluateRun, TrialRun, UserRun
from otel_dspy.runtime.bounded_dict import BoundedDict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_dspy.mlflow.mapping.operations import EnsureRun
    from otel_dspy.mlflow.mapping.run_keys import RunKey
    from otel_dspy.mlflow.tracking.store.store import RunHandle, Store

RUN_TAG: Final = "otel_dspy.run"
"""Tag that identifies a run for any process, also after a restart."""

MAX_KNOWN: Final = 20_000
"""Maximum number of cached runs, of evicted ones that are remembered, and of open ones."""


def run_tag(run: RunKey) -> str:
    """Return the run's name as a tag value."""
    match run:
        case CompileRun(compile_id):
            return f"compile/{compile_id}"
        case TrialRun(compile_id, index):
            return f"trial/{compile_id}/{index}"
        case EvaluateRun(trace_id, span_id):
            return f"evaluate/{trace_id}/{span_id}"
        case UserRun(run_id):
            return f"user/{run_id}"
        case _:
            assert_never(run)


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to be created.

    Attributes:
        key: identity of the run.
        name: name of the run.
        start_ms: milliseconds since the epoch.
        tags: its tags, except for `RUN_TAG`.
        placeholder: whether name, start and tags are those of a run whose own data has not been received.
    """

    key: RunKey
    name: str
    start_ms: int
    tags: Mapping[str, str]
    placeholder: bool


class Runs:
    """The runs of one experiment."""

    def __init__(
        self,
        store: Store,
        experiment_id: Callable[[], str],
        create: Callable[[NewRun], RunHandle],
        *,
        look_up_runs: bool,
    ) -> None:
        """Create the lookup for one experiment.

        Args:
            store: the tracking store.
            experiment_id: returns the experiment's id; called when a run has to be found.
            create: creates a run that is not found, or returns the one that another process creates at the same time.
            look_up_runs: look each run up by its tag before creating it. Not needed if every compile belongs to this
                process; required for spans of other processes.
        """
        self._store = store
        self._experiment_id = experiment_id
        self._create_run = create
        self._look_up_runs = look_up_runs
        self._known: BoundedDict[RunKey, RunHandle] = BoundedDict(MAX_KNOWN, self._evicted)
        self._doubtful: BoundedDict[RunKey, None] = BoundedDict(MAX_KNOWN, lambda _run, _none: self.look_up_runs())
        """Runs that may exist although they are not known. Beyond the limit every run is looked up."""
        self._open: BoundedDict[RunKey, None] = BoundedDict(MAX_KNOWN)
        """Runs that have begun and not ended. Bounded, because a bridge never receives the ends of killed programs."""

    def _evicted(self, run: RunKey, _: RunHandle) -> None:
        if not self._look_up_runs:
            self._doubtful[run] = None

    @property
    def open(self) -> list[RunKey]:
        """Runs of this process, parents first, that have begun and not ended."""
        return list(self._open)

    def look_up_runs(self) -> None:
        """Look runs up before creating them: from now on another process may create them."""
        self._look_up_runs = True

    def ended(self, run: RunKey) -> None:
        """Record that the run has ended."""
        self._open.pop(run, None)

    def killed(self, run: RunKey) -> None:
        """Record that the run was ended without its end, for a reason that is one of its tags."""
        self._known[run] = replace(self.handle(run), killed=True)

    def known(self, run: RunKey) -> bool:
        """Whether this process has found or created the run."""
        return run in self._known or isinstance(run, UserRun)

    def remembered(self, run: RunKey) -> RunHandle | None:
        """Return the run if that takes no request."""
        return self._known.get(run)

    def handle(self, run: RunKey, start_ms: int | None = None) -> RunHandle:
        """Return the run, creating a placeholder if it does not exist.

        Args:
            run: identity of the run.
            start_ms: start of a placeholder in milliseconds since the epoch; now if not given.
        """
        found = self._known.get(run)
        if found is not None:
            return found
        if isinstance(run, UserRun):
            return self._remember(run, self._store.get_run(run.run_id))
        start_ms = time.time_ns() // 1_000_000 if start_ms is None else start_ms
        return self._find(run) or self._placeholder(run, start_ms)

    def ensure(self, operation: EnsureRun) -> dict[str, str]:
        """Create the run; return the tags that an existing one lacks."""
        run = operation.run
        found = self._known.get(run) or self._find(run)
        if found is None:
            tags = self._parent_tag(operation.parent, operation.start_ms) | dict(operation.tags)
            self._create(NewRun(run, operation.name, operation.start_ms, tags, placeholder=False))
            return {}
        parent = self._parent_tag(operation.parent, operation.start_ms)
        return {naming.RUN_NAME: operation.name, RUN_TAG: run_tag(run)} | dict(operation.tags) | parent

    def _find(self, run: RunKey) -> RunHandle | None:
        if not self._look_up_runs and run not in self._doubtful:
            return None
        found = self._store.find_run(self._experiment_id(), RUN_TAG, run_tag(run))
        return self._remember(run, found) if found else None

    def _placeholder(self, run: RunKey, start_ms: int) -> RunHandle:
        tags = self._parent_tag(_parent(run), start_ms)
        return self._create(NewRun(run, _placeholder_name(run), start_ms, tags, placeholder=True))

    def _create(self, new: NewRun) -> RunHandle:
        # Until the response arrives the run may exist unknown to this process: a second attempt must look it up.
        self._doubtful[new.key] = None
        made = self._remember(new.key, self._create_run(new))
        self._doubtful.pop(new.key, None)
        return made

    def _parent_tag(self, parent: RunKey | None, start_ms: int) -> dict[str, str]:
        return {naming.PARENT_RUN: self.handle(parent, start_ms).run_id} if parent else {}

    def _remember(self, run: RunKey, handle: RunHandle) -> RunHandle:
        self._known[run] = handle
        if not isinstance(run, UserRun):
            self._open[run] = None
        return handle


def _parent(run: RunKey) -> RunKey | None:
    return run.parent if isinstance(run, TrialRun) else None


def _placeholder_name(run: RunKey) -> str:
    match run:
        case TrialRun(index=index):
            return f"trial {index}"
        case EvaluateRun():
            return "evaluate"
        case _:
            return "compile"
