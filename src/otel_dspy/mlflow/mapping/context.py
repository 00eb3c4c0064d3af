"""What the mapping must know beside the span: the user's wishes, and which trace and run the span came under."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Literal

from otel_dspy.mlflow.mapping.operations import CompileRun, EvaluateRun, TrialRun, UserRun

if TYPE_CHECKING:
    from otel_dspy.mlflow.mapping.operations import RunKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The flags of `autolog`, all on by default.

    Attributes:
        log_traces: traces at all.
        log_traces_from_compile: traces of compiles, their examples included.
        log_traces_from_eval: example traces of stand-alone evaluations.
        log_compiles: a run a compile.
        log_evals: a run a trial and a stand-alone evaluation; without it the parent's metrics stay.
    """

    log_traces: bool = True
    log_traces_from_compile: bool = True
    log_traces_from_eval: bool = True
    log_compiles: bool = True
    log_evals: bool = True


class RootKind(Enum):
    """What a trace is about, told by its root."""

    COMPILE = "compile"
    EVALUATE = "evaluate"
    EXAMPLE = "example"
    CALL = "call"


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceUpdate:
    """What the program set on a trace through MLflow's own API, such as `mlflow.update_current_trace`.

    Attributes:
        tags: names and values.
        metadata: names and values; session and user among them.
        request: preview of the request.
        response: preview of the response.
        state: OK or ERROR.
        client_request_id: id of the request in the program's own words.
        assessments: MLflow's dictionaries of them, as JSON.
    """

    tags: tuple[tuple[str, str], ...] = ()
    metadata: tuple[tuple[str, str], ...] = ()
    request: str | None = None
    response: str | None = None
    state: Literal["OK", "ERROR"] | None = None
    client_request_id: str | None = None
    assessments: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class UserEvent:
    """An event that the program added to a span."""

    name: str
    time_ns: int
    """Nanoseconds since the epoch."""
    attributes: str
    """JSON of an object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanUpdate:
    """What the program set on a span through MLflow's own API, such as `mlflow.get_current_active_span()`.

    Attributes:
        attributes: names and values, as JSON texts; they replace the span's own ones of the same name.
        events: in the order in which they were added.
        links: trace and span ids in hex.
        failed: the status was set to ERROR.
        message: description of that status.
    """

    attributes: tuple[tuple[str, str], ...] = ()
    events: tuple[UserEvent, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    failed: bool = False
    message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceContext:
    """The trace that a span is logged in.

    Attributes:
        trace_id: 32 hex digits; not always the span's own (see `routing`).
        root_id: span id of the trace's root.
        kind: what the root is.
        compile_id: the compile that the root is, or belongs to.
        trial: the trial that the root belongs to.
        evaluate: trace and span id of the evaluation that the root is, or is linked to.
        user_run: id of the run that the user had open when the root started.
        joined: the trace is MLflow's own, which the root is a part of: MLflow writes its trace info.
        parent_id: id of the MLflow span that is the span's parent, where that is not the parent it has itself.
        update: with the root: what the program set on the trace.
        span_update: what the program set on this span.
    """

    trace_id: str
    root_id: str
    kind: RootKind
    compile_id: str | None = None
    trial: int | None = None
    evaluate: tuple[str, str] | None = None
    user_run: str | None = None
    joined: bool = False
    parent_id: str | None = None
    update: TraceUpdate | None = None
    span_update: SpanUpdate | None = None


def compile_run(options: Options, compile_id: str | None) -> CompileRun | None:
    """The compile's run, if compiles have runs."""
    return CompileRun(compile_id) if compile_id and options.log_compiles else None


def trial_run(options: Options, compile_id: str | None, index: int | None) -> TrialRun | None:
    """The trial's run, if trials have runs."""
    if compile_id is None or index is None or not options.log_evals:
        return None
    return TrialRun(compile_id, index, compile_run(options, compile_id))


def evaluate_run(options: Options, context: TraceContext, evaluate: tuple[str, str] | None) -> RunKey | None:
    """The run of a stand-alone evaluation: the user's, if one is open."""
    if evaluate is None or not options.log_evals:
        return None
    return user_run(context) or EvaluateRun(*evaluate)


def user_run(context: TraceContext) -> UserRun | None:
    """The run that the user had open."""
    return UserRun(context.user_run) if context.user_run else None


def trace_run(options: Options, context: TraceContext) -> RunKey | None:
    """The run that the trace belongs to: the nearest that is recorded."""
    return (
        (trial_run(options, context.compile_id, context.trial) if context.kind is RootKind.EXAMPLE else None)
        or compile_run(options, context.compile_id)
        or (evaluate_run(options, context, context.evaluate) if context.compile_id is None else None)
        or user_run(context)
    )


def logs_traces(options: Options, context: TraceContext) -> bool:
    """Whether the flags want this trace."""
    if not options.log_traces:
        return False
    if context.compile_id is not None:
        return options.log_traces_from_compile
    if context.kind in {RootKind.EVALUATE, RootKind.EXAMPLE}:
        return options.log_traces_from_eval
    return True
