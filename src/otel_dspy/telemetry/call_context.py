"""Where a call stands: its compile, trial, evaluation, tally and program, carried in the OpenTelemetry context."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, cast

from opentelemetry.context import create_key, get_current, get_value, set_value
from opentelemetry.trace import set_span_in_context

from otel_dspy.telemetry.leaderboard import Leaderboard
from otel_dspy.telemetry.objectives import ObjectiveMeans
from otel_dspy.telemetry.prompts import Prompt
from otel_dspy.telemetry.usage import TASK

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.context import Context
    from opentelemetry.trace import Span
    from opentelemetry.util.types import AttributeValue

    from otel_dspy.serialization.datasets import ExampleRegistry
    from otel_dspy.telemetry.usage import Role, UsageTally

_KEY: Final = create_key("otel_dspy.place")


@dataclass(slots=True, eq=False)
class TrialScope:
    """An open trial. `error` is set where something inside it failed and the optimizer went on."""

    compile: CompileScope
    index: int
    span: Span
    context: Context
    usage: UsageTally
    started: float
    error: BaseException | None = None


@dataclass(slots=True, eq=False)
class CompileScope:
    """An open compile.

    Attributes:
        key: identity of the optimizer object, to know `super().compile()` from a nested compile.
        notes: what the optimizer's own hook keeps while the compile lasts.
        sent_programs: ids whose state went out already in this compile.
        sent_datasets: (role, id) of the datasets that went out already.
        sent_rows: ids of the examples whose rows went out with them.
        open_trial: a trial that the optimizer's hook opened ahead of the call that scores it.
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
    score_unit: str | None = None
    open_trial: TrialScope | None = None
    setup_done: bool = False
    sent_programs: set[str] = field(default_factory=set[str])
    sent_datasets: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    sent_rows: set[str] = field(default_factory=set[str])
    notes: dict[str, Any] = field(default_factory=dict[str, Any])
    lock: threading.Lock = field(default_factory=threading.Lock)
    phase_evaluations: Counter[str] = field(default_factory=Counter[str])
    trial_count: int = 0
    _span: Span | None = None
    _context: Context | None = None

    @property
    def span(self) -> Span:
        """The compile's span."""
        return cast("Span", self._span)

    @property
    def context(self) -> Context:
        """The context inside the compile."""
        return cast("Context", self._context)

    def opened(self, span: Span, context: Context) -> None:
        """Take in the span, which is started after the scope whose ids it carries."""
        self._span, self._context = span, context

    def rows_known(self, ids: set[str]) -> bool:
        """Whether the rows of all these examples went out with a compile around this one."""
        outer = self.parent
        while outer is not None and ids:
            ids = ids - outer.sent_rows
            outer = outer.parent
        return not ids and self.parent is not None

    def count_evaluation(self, phase: str) -> int:
        """An evaluation begins that is the work of a phase: how many of them there were before."""
        with self.lock:
            before = self.phase_evaluations[phase]
            self.phase_evaluations[phase] += 1
            return before

    def next_index(self) -> int:
        """The next trial's index; dense from 0."""
        with self.lock:
            index = self.trial_count
            self.trial_count += 1
            return index


@dataclass(slots=True, eq=False)
class EvaluateScope:
    """An open evaluation and the rows of its result, by the example's position."""

    span: Span
    context: Context
    usage: UsageTally
    metric_name: str | None
    belonging: Mapping[str, AttributeValue]
    """What every example says of where it belongs: program, metric, compile, trial."""
    compile: CompileScope | None
    examples: ExampleRegistry
    started: float
    program: int | None = None
    """Identity of the program that is evaluated, where its calls are watched."""
    metric_heard: bool = False
    """Whether the metric says when it is called."""
    rows: dict[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])
    objectives: ObjectiveMeans = field(default_factory=ObjectiveMeans)
    lock: threading.Lock = field(default_factory=threading.Lock)


class Gate(Protocol):
    """Stands before the calls that are made directly in an example or an attempt, and may put a span above them."""

    def enter(self, context: Context, called: object) -> Context:
        """The context that a call of this module, model or tool stands in, made in the context given."""
        ...

    def leave(self, called: object, error: BaseException | None) -> None:
        """A module that was let in has ended; `error`: what it raised."""
        ...


class Paths(Protocol):
    """Tells modules of a program by their paths."""

    @property
    def program_name(self) -> str:
        """The name of the program's class."""
        ...

    def path(self, module: object) -> str | None:
        """The module's path; None if it is no part of the program."""
        ...


class CallContext(NamedTuple):
    """Where a call stands."""

    compile: CompileScope | None = None
    trial: TrialScope | None = None
    evaluation: EvaluateScope | None = None
    """The evaluation whose examples have not begun yet."""
    usage: UsageTally | None = None
    module_paths: Paths | None = None
    """Paths of the modules of the program that runs."""
    predictor: str | None = None
    """`dspy.module.name` of the module that runs."""
    lm_call: object | None = None
    """The LM call that runs: what it calls in its turn is a part of it."""
    role: Role = TASK
    """What an LM call made here is for."""
    program: int | None = None
    """Identity of the program that the example is about: what is called inside of it is the task's."""
    gate: Gate | None = None
    """What stands before the calls made directly here; not before those inside of them."""
    instructions: str | None = None
    """Docstring of the signature of the predictor that runs; None where no predictor runs."""

    @property
    def prompt(self) -> Prompt | None:
        """The prompt of an LM call made here; None outside of predictors."""
        if self.instructions is None or self.module_paths is None or self.predictor is None:
            return None
        return Prompt(self.module_paths.program_name, self.predictor, self.instructions)

    # Written out: `_replace` takes four times as long, and these are on every call's way.

    def in_module(self, paths: Paths, name: str, identity: int, instructions: str | None = None) -> CallContext:
        """The place inside a module. `identity`: the module's `id`; `instructions`: a predictor's, see the field."""
        role: Role = TASK if identity == self.program else self.role
        return CallContext(
            self.compile, self.trial, self.evaluation, self.usage, paths, name, self.lm_call, role, self.program, None,
            instructions,
        )  # fmt: skip

    def in_example(self, usage: UsageTally, role: Role, program: int | None, gate: Gate | None) -> CallContext:
        """The place inside an example; see the fields."""
        return CallContext(
            self.compile, self.trial, None, usage, self.module_paths, self.predictor, self.lm_call, role, program, gate
        )  # fmt: skip

    def in_lm_call(self, call: object) -> CallContext:
        """The place inside an LM call."""
        return CallContext(
            self.compile, self.trial, self.evaluation, self.usage, self.module_paths, self.predictor, call, self.role,
            self.program, None, self.instructions,
        )  # fmt: skip


_NOWHERE: Final = CallContext()


def call_context_in(context: Context) -> CallContext:
    """Where a call in this context stands; nowhere outside everything that is instrumented."""
    # Annotated, not `cast`, which is a call; on every call's way.
    place: Any = context.get(_KEY)
    return place or _NOWHERE


def current_call_context() -> CallContext:
    """Where the caller stands."""
    return call_context_in(get_current())


def entered(called: object) -> Context:
    """The context that a call of this module, model or tool stands in, made where the caller stands."""
    context = get_current()
    gate = call_context_in(context).gate
    return context if gate is None else gate.enter(context, called)


def nowhere() -> bool:
    """Whether the caller stands outside every call that is watched."""
    return get_value(_KEY) is None


def surroundings() -> Context:
    """The current context, or that of the trial which the optimizer's hook opened ahead in the compile around."""
    context = entered(None)
    place = call_context_in(context)
    if place.compile is not None and place.trial is None and place.compile.open_trial is not None:
        return place.compile.open_trial.context
    return context


def inside(span: Span, place: CallContext, context: Context) -> Context:
    """The context given, with this span current and this place."""
    return with_more(set_span_in_context(span, context), _KEY, place)


def with_more(made: Context, key: str, value: object) -> Context:
    """A context that nobody else has yet, with one more entry: a second copy of all that is in it is not needed."""
    dict.__setitem__(made, key, value)  # pyright: ignore[reportUnknownMemberType] - a Context's own refuses
    return made


def at(place: CallContext, context: Context) -> Context:
    """The context given, with its span and this place."""
    return set_value(_KEY, place, context)
