"""State of an open compile, trial or evaluation, to which its spans belong."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from otel_dspy.telemetry.optimizer_hook_state import HookState
from otel_dspy.telemetry.tallies.initial_scores import InitialScores
from otel_dspy.telemetry.tallies.leaderboard import Leaderboard
from otel_dspy.telemetry.tallies.objective_scores import ObjectiveMeans
from otel_dspy.telemetry.tallies.parent_scores import ParentScores

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

    from otel_dspy.serialization.datasets import ExampleRegistry
    from otel_dspy.telemetry.tallies.compile_budget import CompileBudget
    from otel_dspy.telemetry.tallies.usage_tally import UsageTally


@dataclass(slots=True, eq=False)
class TrialScope:
    """State of an open trial. `error` is set if something inside failed and the optimizer continued."""

    compile: CompileScope
    index: int
    span: Span
    context: Context = field(init=False)
    """The context inside the trial, which refers to this state."""
    usage: UsageTally
    started: float
    error: BaseException | None = None
    evaluated: dict[str, int] = field(default_factory=dict[str, int])
    """Number of examples of its last evaluation, by `dspy.evaluate.scope`."""


@dataclass(slots=True, eq=False)
class CompileScope:
    """State of an open compile.

    Attributes:
        key: identity of the optimizer object, to distinguish `super().compile()` from a nested compile.
        hook: the optimizer's hook.
        arguments: the effective arguments of the compile by name.
        resolve: emits the setup of the compile, with the parameters that the optimizer has resolved.
        state: state of the optimizer's hook for the duration of the compile.
        sent_programs: ids of the programs whose state has been recorded in this compile.
        sent_datasets: (role, id) of the datasets that have been recorded.
        sent_rows: ids of the examples whose rows have been recorded.
        open_trial: a trial that the optimizer's hook has started before the call that scores it.
        budget: budget of the outermost compile; None without one.
    """

    id: str
    key: int
    optimizer_name: str
    program_name: str
    metric_name: str | None
    examples: ExampleRegistry
    usage: UsageTally
    started: float
    parent: CompileScope | None = None
    parent_trial_index: int | None = None
    depth: int = 0
    leaderboard: Leaderboard = field(default_factory=Leaderboard)
    initial_scores: InitialScores = field(default_factory=InitialScores)
    parent_scores: ParentScores = field(default_factory=ParentScores)
    score_unit: str | None = None
    open_trial: TrialScope | None = None
    budget: CompileBudget | None = None
    setup_done: bool = False
    sent_programs: set[str] = field(default_factory=set[str])
    sent_datasets: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    sent_rows: set[str] = field(default_factory=set[str])
    hook: object = None
    arguments: Mapping[str, Any] = field(default_factory=dict[str, Any])
    resolve: Callable[[Mapping[str, Any]], None] | None = None
    state: HookState = field(default_factory=HookState)
    lock: threading.Lock = field(default_factory=threading.Lock)
    phase_evaluations: Counter[str] = field(default_factory=Counter[str])
    trial_count: int = 0
    _span: Span | None = None
    _context: Context | None = None

    @property
    def span(self) -> Span:
        """Span of the compile."""
        return cast("Span", self._span)

    @property
    def context(self) -> Context:
        """Context inside the compile."""
        return cast("Context", self._context)

    def opened(self, span: Span, context: Context) -> None:
        """Set the span, which is started after the scope because it carries the scope's ids."""
        self._span, self._context = span, context

    def rows_known(self, ids: set[str]) -> bool:
        """Return whether enclosing compiles have recorded the rows of all these examples."""
        outer = self.parent
        while outer is not None and ids:
            ids = ids - outer.sent_rows
            outer = outer.parent
        return not ids and self.parent is not None

    def count_evaluation(self, phase: str) -> int:
        """Count an evaluation that runs in a phase; return how many of them there were before."""
        with self.lock:
            before = self.phase_evaluations[phase]
            self.phase_evaluations[phase] += 1
            return before

    def next_index(self) -> int:
        """Return the index of the next trial; consecutive from 0."""
        with self.lock:
            index = self.trial_count
            self.trial_count += 1
            return index


@dataclass(slots=True, eq=False)
class EvaluateScope:
    """State of an open evaluation, with its result rows by the example's place in it."""

    span: Span
    context: Context
    usage: UsageTally
    metric_name: str | None
    belonging: Mapping[str, AttributeValue]
    """Attributes set on every example of the evaluation: program, metric, compile, trial, role."""
    compile: CompileScope | None
    examples: ExampleRegistry
    started: float
    program: int | None = None
    """`id` of the program that is evaluated, if its calls are instrumented."""
    metric_is_instrumented: bool = False
    """Whether calls of the metric are instrumented."""
    is_part_of_example: bool = False
    """Whether an example of another evaluation makes it, in a compile: the trial's results are of the other one."""
    rows: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])
    devset: Sequence[Any] = ()
    """The examples by place; empty if the evaluation is not part of a compile, or its dataset no list or tuple."""
    evaluated: dict[int, object] | None = None
    """Examples by place, as they are evaluated; None if the dataset is a list or tuple."""
    positions: Sequence[int] = ()
    """Positions of these examples in the dataset that they come from."""
    objectives: ObjectiveMeans = field(default_factory=ObjectiveMeans)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def index(self, place: int, example: object) -> int:
        """Return `dspy.example.index`.

        Args:
            place: the example's place in the evaluation.
            example: the user's example.
        """
        if place < len(self.positions) and self.devset[place] is example:
            return self.positions[place]
        known = self.examples.position(example)
        return place if known is None else known
