"""Call context: compile, trial, evaluation, usage tally and program of a call, stored in OpenTelemetry's context."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from opentelemetry.context import Context, create_key, get_current, get_value
from opentelemetry.trace import INVALID_SPAN, set_span_in_context

from otel_dspy.runtime.enclosing_call import ENCLOSING
from otel_dspy.runtime.named_tuples import create
from otel_dspy.telemetry.prompt_names import Prompt
from otel_dspy.telemetry.tallies.lm_roles import TASK

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from otel_dspy.telemetry.open_scopes import CompileScope, EvaluateScope, TrialScope
    from otel_dspy.telemetry.tallies.lm_roles import Role
    from otel_dspy.telemetry.tallies.usage_tally import UsageTally

_OWN_KEYS: Final = "otel_dspy."
"""Prefix of the context keys of this package."""
_KEY: Final = create_key(f"{_OWN_KEYS}call_context")
SPAN: Final = next(iter(set_span_in_context(INVALID_SPAN, Context())))
"""Context key of the current span: `set_span_in_context` copies a context twice, and every call derives several."""


class Gate(Protocol):
    """Hook for the direct calls of an example or an attempt, which can give them a parent span of their own."""

    def enter(self, context: Context, called: object) -> Context:
        """Return the context for a call of this module, model or tool, derived from `context`."""
        ...

    def leave(self, called: object, error: BaseException | None) -> None:
        """Handle the end of a module's call; `error` is the exception it raised, if any."""
        ...


class Paths(Protocol):
    """Lookup of the modules of a program by object."""

    @property
    def program_name(self) -> str:
        """Name of the program's class."""
        ...

    def path(self, module: object) -> str | None:
        """Return the module's path; None if it is not part of the program."""
        ...


class CallContext(NamedTuple):
    """Instrumentation state that applies to a call.

    Derived contexts are built field by field: `_replace` takes four times as long, and every call derives one.
    """

    compile: CompileScope | None = None
    trial: TrialScope | None = None
    evaluation: EvaluateScope | None = None
    """The evaluation, until one of its examples starts."""
    usage: UsageTally | None = None
    module_paths: Paths | None = None
    """Module paths of the running program."""
    predictor: str | None = None
    """`dspy.module.name` of the running module."""
    lm_call: object | None = None
    """The running LM call; calls inside it are part of it."""
    role: Role = TASK
    """`dspy.lm.role` of LM calls in this context."""
    program: int | None = None
    """`id` of the program of the example; calls inside it have the role `task`."""
    gate: Gate | None = None
    """Hook for direct calls in this context; it does not apply to calls inside them."""
    instructions: str | None = None
    """Docstring of the running predictor's signature; None outside predictors."""
    within_example: bool = False
    """Whether an example runs. An evaluation that its program or its metric starts is not a trial, nor part of one."""

    @property
    def prompt(self) -> Prompt | None:
        """Prompt of LM calls in this context; None outside predictors."""
        if self.instructions is None or self.module_paths is None or self.predictor is None:
            return None
        return create(Prompt, (self.module_paths.program_name, self.predictor, self.instructions))

    def in_module(self, paths: Paths, name: str, identity: int, instructions: str | None = None) -> CallContext:
        """Return the call context inside a module.

        Args:
            paths: module paths of the program.
            name: `dspy.module.name`.
            identity: the module's `id`.
            instructions: docstring of the signature, if the module is a predictor.
        """
        role: Role = TASK if identity == self.program else self.role
        return create(CallContext, (
            self.compile, self.trial, self.evaluation, self.usage, paths, name, self.lm_call, role, self.program, None,
            instructions, self.within_example,
        ))  # fmt: skip

    def in_example(self, usage: UsageTally, role: Role, program: int | None, gate: Gate | None) -> CallContext:
        """Return the call context inside an example; see the fields.

        Args:
            usage: where tokens and cost of calls inside are added.
            role: the role of LM calls inside.
            program: `id()` of the evaluated program, if known.
            gate: observes the calls made directly in the example.
        """
        return CallContext(
            self.compile, self.trial, None, usage, self.module_paths, self.predictor, self.lm_call, role, program, gate,
            within_example=True,
        )  # fmt: skip

    def in_lm_call(self, call: object) -> CallContext:
        """Return the call context inside an LM call."""
        return create(CallContext, (
            self.compile, self.trial, self.evaluation, self.usage, self.module_paths, self.predictor, call, self.role,
            self.program, None, self.instructions, self.within_example,
        ))  # fmt: skip


_NO_CALL: Final = CallContext()


def call_context_in(context: Context) -> CallContext:
    """Return the call context stored in an OpenTelemetry context; an empty one outside instrumented calls."""
    # Annotated, because `cast` is a function call and this runs for every call.
    call_context: Any = context.get(_KEY)
    return call_context or _NO_CALL


def current_call_context() -> CallContext:
    """Return the call context of the caller."""
    return call_context_in(get_current())


def context_for_call(called: object) -> Context:
    """Return the context for a call of this module, model or tool, derived from the current one."""
    context = get_current()
    gate = call_context_in(context).gate
    return context if gate is None else gate.enter(context, called)


def outside_calls() -> bool:
    """Return whether the caller is outside all instrumented calls."""
    return get_value(_KEY) is None


def parent_context() -> Context:
    """Return the current context, or that of the enclosing compile's open trial, if its hook started one in advance."""
    context = context_for_call(None)
    call_context = call_context_in(context)
    if call_context.compile is not None and call_context.trial is None and call_context.compile.open_trial is not None:
        return call_context.compile.open_trial.context
    return context


def inside(span: Span, call_context: CallContext, context: Context) -> Context:
    """Return the context with this span as the current one and this call context.

    Args:
        span: the current span of the new context.
        call_context: the call context of the new context.
        context: the context to extend.
    """
    return Context({**context, SPAN: span, ENCLOSING: span, _KEY: call_context})


def for_log_record(context: Context) -> Context:
    """Return the context without what otel-dspy's hooks have added.

    A log record keeps its context until it is exported, and theirs reference the optimizer and its programs.

    Args:
        context: the context of an event.
    """
    return Context({key: value for key, value in context.items() if not key.startswith(_OWN_KEYS)})


def with_call_context(call_context: CallContext, context: Context) -> Context:
    """Return the context, with its span unchanged, and this call context."""
    return Context({**context, _KEY: call_context})
