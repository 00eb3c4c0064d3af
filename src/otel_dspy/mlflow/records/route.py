"""Route of a span: destination, trace and options, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment, by id if known, else by name; neither means MLflow's default one."""

    id: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """A tracking store, a workspace of it, and an experiment there.

    Attributes:
        tracking_uri: of the store.
        experiment: the experiment.
        workspace: its name; `""` if none was set; None if unknown, in which case MLflow decides at delivery: for an
            MLflow without workspaces, or a spool file of an earlier version.
    """

    tracking_uri: str
    experiment: Experiment
    workspace: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The flags of `autolog`, on by default unless noted.

    Attributes:
        log_traces: log traces.
        log_traces_from_compile: log traces of compiles, including their examples.
        log_traces_from_eval: log example traces of stand-alone evaluations.
        log_compiles: log a run for each compile.
        log_evals: log a run for each trial and each stand-alone evaluation; without it the parent's metrics are still
            logged.
        log_evaluation_datasets: log training and validation sets as evaluation datasets; off by default.
    """

    log_traces: bool = True
    log_traces_from_compile: bool = True
    log_traces_from_eval: bool = True
    log_compiles: bool = True
    log_evals: bool = True
    log_evaluation_datasets: bool = False


class RootKind(Enum):
    """Kind of a trace, by its root."""

    COMPILE = "compile"
    EVALUATE = "evaluate"
    EXAMPLE = "example"
    CALL = "call"


ROOT_KINDS: Final = {"compile": RootKind.COMPILE, "evaluate": RootKind.EVALUATE, "example": RootKind.EXAMPLE}
"""Kinds of traces by the operation of the root, `dspy.operation.name`; others are calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceUpdate:
    """Values that the program set on a trace through MLflow's own API, such as `mlflow.update_current_trace`.

    Attributes:
        tags: names and values.
        metadata: names and values, including session and user.
        request: preview of the request.
        response: preview of the response.
        state: OK or ERROR.
        client_request_id: the program's own id of the request.
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
    """Values that the program set on a span through MLflow's own API, such as `mlflow.get_current_active_span()`.

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
        kind: the kind of the root.
        compile_id: the compile that the root is, or belongs to.
        trial: the trial that the root belongs to; None where an example's evaluation is made by another example.
        evaluate: trace and span id of the evaluation that the root is, or is linked to; None there too.
        user_run: id of the run that the user had open when the root started.
        joined: the trace is MLflow's own and contains the root: MLflow writes its trace info.
        parent_id: id of the MLflow span that is the span's parent, if that differs from the span's own parent.
        update: for the root: the program's updates of the trace.
        span_update: the program's updates of this span.
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


@dataclass(frozen=True, slots=True)
class Route:
    """Destination of a span, and the options in effect when its trace began."""

    destination: Destination
    context: TraceContext
    options: Options
