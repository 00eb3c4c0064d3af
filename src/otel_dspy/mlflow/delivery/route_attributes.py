"""Route of a spooled span, as attributes of its resource."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.mlflow.delivery.spool_folder import OURS
from otel_dspy.mlflow.records.route import (
    Destination,
    Experiment,
    Options,
    RootKind,
    Route,
    SpanUpdate,
    TraceContext,
    TraceUpdate,
    UserEvent,
)
from otel_dspy.mlflow.tracking_uri import storable_uri

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from otel_dspy.mlflow.records.span import Attributes

TRACKING_URI: Final = f"{OURS}tracking_uri"
"""Tracking URI without passwords."""
EXPERIMENT_ID: Final = f"{OURS}experiment.id"
EXPERIMENT_NAME: Final = f"{OURS}experiment.name"
WORKSPACE: Final = f"{OURS}workspace"
"""Name of the MLflow workspace; empty if none was set, absent if the process' MLflow did not support workspaces."""
CONTEXT: Final = f"{OURS}context"
"""JSON: the MLflow trace and runs that the span belongs to, and the `autolog` flags that were off."""

_OF_CONTEXTS: Final = tuple(field.name for field in fields(TraceContext))
_UPDATES: Final = frozenset({"update", "span_update"})
"""Fields of a `TraceContext` that are dataclasses."""
_compact: Final = json.JSONEncoder(separators=(",", ":")).encode
_PAIRS: Final = ("tags", "metadata")
"""Fields of a `TraceUpdate` that are tuples, which JSON does not have."""


def route_attributes(route: Route) -> Mapping[str, str]:
    """Return the destination, the context and the options that are not the default."""
    where, (off, on) = route.destination, _unusual(route.options)
    context: dict[str, object] = {}
    for name in _OF_CONTEXTS:  # not by `asdict`, which copies each value: every trace has a context
        value = getattr(route.context, name)
        if value is not None and value is not False:
            context[name] = asdict(value) if name in _UPDATES else value
    context |= {"kind": route.context.kind.value, "off": off}
    if on:
        context["on"] = on
    found = {TRACKING_URI: storable_uri(where.tracking_uri), CONTEXT: _compact(context)}
    if where.experiment.id is not None:
        found[EXPERIMENT_ID] = where.experiment.id
    if where.experiment.name is not None:
        found[EXPERIMENT_NAME] = where.experiment.name
    if where.workspace is not None:
        found[WORKSPACE] = where.workspace
    return found


@lru_cache(maxsize=64)  # a process has few
def _unusual(options: Options) -> tuple[Sequence[str], Sequence[str]]:
    """Return the names of the options that are off, and that are on, unlike their defaults."""
    names = [option.name for option in fields(Options) if getattr(options, option.name) is not option.default]
    on = {name for name in names if getattr(options, name)}
    return [name for name in names if name not in on], [name for name in names if name in on]


def parsed_route(resource: Attributes) -> Route:
    """Parse what `route_attributes` returns. Errors of missing or malformed attributes are not converted."""
    found: dict[str, Any] = json.loads(str(resource[CONTEXT]))
    evaluate = found.get("evaluate")
    name, number = resource.get(EXPERIMENT_NAME), resource.get(EXPERIMENT_ID)
    workspace = resource.get(WORKSPACE)
    return Route(
        Destination(
            str(resource[TRACKING_URI]),
            Experiment(id=str(number) if number is not None else None, name=str(name) if name is not None else None),
            str(workspace) if workspace is not None else None,
        ),
        TraceContext(
            trace_id=str(found["trace_id"]),
            root_id=str(found["root_id"]),
            kind=RootKind(found["kind"]),
            compile_id=found.get("compile_id"),
            trial=found.get("trial"),
            evaluate=(str(evaluate[0]), str(evaluate[1])) if evaluate else None,
            user_run=found.get("user_run"),
            joined=bool(found.get("joined")),
            parent_id=found.get("parent_id"),
            update=_parsed_update(found["update"]) if "update" in found else None,
            span_update=_parsed_span_update(found["span_update"]) if "span_update" in found else None,
        ),
        Options(**dict.fromkeys(found.get("off", ()), False), **dict.fromkeys(found.get("on", ()), True)),
    )


def _parsed_update(found: dict[str, Any]) -> TraceUpdate:
    pairs: dict[str, Any] = {name: tuple((str(key), str(value)) for key, value in found[name]) for name in _PAIRS}
    pairs["assessments"] = tuple(map(str, found["assessments"]))
    return TraceUpdate(**found | pairs)


def _parsed_span_update(found: dict[str, Any]) -> SpanUpdate:
    events = (UserEvent(str(one["name"]), int(one["time_ns"]), str(one["attributes"])) for one in found["events"])
    return SpanUpdate(
        attributes=tuple((str(name), str(text)) for name, text in found["attributes"]),
        events=tuple(events),
        links=tuple((str(trace_id), str(span_id)) for trace_id, span_id in found["links"]),
        failed=bool(found["failed"]),
        message=found["message"],
    )
