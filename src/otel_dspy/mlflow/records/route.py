"""Routes: destination, trace and options of a span, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment, by id where that is known, else by name; neither means MLflow's default one."""

    id: str | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Destination:
    """A tracking store, a workspace of it, and an experiment there.

    Attributes:
        tracking_uri: of the store.
        experiment: the experiment.
        workspace: its name; `""` if none was set; None if that is not known, and MLflow decides when it is written to:
            an MLflow without workspaces, or a spool file of an earlier version.
    """

    tracking_uri: str
    experiment: Experiment
    workspace: str | None = None


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


@dataclass(frozen=True, slots=True)
class Route:
    """Where a span goes and what was wanted when its trace began."""

    destination: Destination
    context: TraceContext
    options: Options
