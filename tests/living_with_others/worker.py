"""Runs the program under otel-dspy and one other, in every order, and writes what was seen as JSON.

`python -m tests.living_with_others.worker OTHER… [--apart OTHER…]` in the environment that has all of them; with those
behind `--apart` otel-dspy has a tracer provider of its own, as `otel_dspy.mlflow.autolog` gives it. Each of several others
has a process of its own, a fork of this one, which imports what all of them call only once. `THREADING` is run by
`tests.living_with_others.threads`.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import sys
import traceback
from importlib import import_module
from typing import Any, cast

from opentelemetry import trace
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from otel_dspy import DSPyInstrumentor
from tests.living_with_others import program, threads
from tests.living_with_others.others import LOGFIRE, MLFLOW, THREADING, logfire_provider, switches
from tests.support.dspy_answers import dspy_script
from tests.support.lm_server import scripted_lm
from tests.support.span_recorder import CountingIds, Recorder
from tests.support.telemetry_capture import TelemetryCapture

KEPT_BY_MLFLOW = "_gorilla_original_"
TOKENS = "gen_ai.client.token.usage"
IMPORTED_BY_ALL = (
    *("litellm", "litellm.proxy.openai_files_endpoints.common_utils", "openai.resources"),
    *("otel_dspy.hooks.installation", "otel_dspy.telemetry.emitter"),
)
"""What takes long to import and is imported in any case when the program runs."""


class Lines(logging.Handler):
    """What otel-dspy has written into the log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.lines: list[str] = []
        logging.getLogger("otel_dspy").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep it."""
        self.lines.append(record.getMessage())

    def taken(self) -> list[str]:
        """The lines since the last time."""
        lines, self.lines = self.lines, []
        return lines


class Both:
    """otel-dspy and another, on and off in any order."""

    def __init__(self, name: str, *, apart: bool) -> None:
        self._name = name
        # Random ids where there are two providers: a span of one is the parent of the other's.
        self._theirs = TelemetryCapture(id_generator=None if apart else CountingIds())
        self._ours = TelemetryCapture() if apart else self._theirs
        if name == LOGFIRE:
            self._providers = {
                **self._theirs.providers,
                "tracer_provider": logfire_provider(SimpleSpanProcessor(self._theirs.span_exporter)),
            }
        else:
            self._providers = self._theirs.providers
            trace.set_tracer_provider(self._theirs.tracer_provider)
        self._on, self._off = switches(name, self._providers)
        self._counted: dict[str, float] = {}

    def begin(self, *, ours_first: bool) -> None:
        """Switch both on."""
        # One meter provider: tokens that both count would be counted twice.
        apart = {} if self._ours is self._theirs else {"tracer_provider": self._ours.tracer_provider}
        providers = {**self._providers, **apart}
        steps = [lambda: DSPyInstrumentor().instrument(**providers, trace_shape="nested"), self._on]
        for step in steps if ours_first else reversed(steps):
            step()

    def off(self, *, ours: bool) -> None:
        """Switch one off."""
        if ours:
            DSPyInstrumentor().uninstrument()
        else:
            self._off()

    def seen(self) -> dict[str, Any]:
        """What there is since the last time."""
        if self._ours is self._theirs:
            found: dict[str, Any] = {"spans": _tree(self._theirs)}
        else:
            found = {"theirs": _names(self._theirs), "ours": _names(self._ours)}
            self._ours.span_exporter.clear()
        if self._name in MLFLOW:
            found["mlflow"] = _in_mlflow()
        self._theirs.span_exporter.clear()
        return {**found, "tokens": self._tokens()}

    def _tokens(self) -> dict[str, float]:
        """How many tokens the metrics of each scope have counted since the last time."""
        telemetry = DSPyInstrumentor()._telemetry
        if telemetry is not None:
            telemetry.deferred_queue.drain()  # metrics wait for a while
        data = self._theirs.metrics()
        now: dict[str, float] = {
            scope.scope.name: sum(cast("Any", point).sum for point in metric.data.data_points)
            for resource in (data.resource_metrics if data is not None else ())
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == TOKENS
        }
        more = {scope: count - self._counted.get(scope, 0) for scope, count in now.items()}
        self._counted = now
        return {scope: count for scope, count in more.items() if count}


def _tree(capture: TelemetryCapture) -> list[str]:
    """Every trace: a line a span, whose it is, and of a model's call the facts that are otel-dspy's or count."""
    whose = {span.name: span.instrumentation_scope.name for span in capture.spans if span.instrumentation_scope}

    def shown(line: str) -> str:
        name = max((name for name in whose if line.strip().startswith(name)), key=len)
        depth = len(line) - len(line.lstrip())
        return f"{' ' * depth}{name} [{whose[name]}]{line[depth + len(name) :]}"

    facts = ("gen_ai.usage.input_tokens", "lm.cache_hit", "module.name")
    return [shown(line) for line in Recorder(capture).tree("", *facts)]


def _names(capture: TelemetryCapture) -> list[str]:
    spans = sorted(capture.spans, key=lambda span: span.start_time or 0)
    return [f"{span.name} [{span.instrumentation_scope and span.instrumentation_scope.name}]" for span in spans]


def _in_mlflow() -> list[str]:
    """The spans of the traces that MLflow has written, whose they are no more afterwards."""
    mlflow: Any = import_module("mlflow")
    mlflow.flush_trace_async_logging()
    client = mlflow.MlflowClient()
    # By span: MLflow orders traces by millisecond.
    traces = sorted(client.search_traces(locations=["0"]), key=lambda one: min(s.start_time_ns for s in one.data.spans))
    if traces:
        client.delete_traces(experiment_id="0", trace_ids=[one.info.trace_id for one in traces])
    return [span.name for one in traces for span in one.data.spans]


def _methods() -> dict[str, Any]:
    """Every method of every class of DSPy."""
    found = {
        f"{cls.__module__}.{cls.__qualname__}.{attribute}": own
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] == "dspy"
        for cls in list(vars(module).values())
        if isinstance(cls, type) and cls.__module__.startswith("dspy")
        for attribute, own in list(vars(cls).items())
        if callable(own) and attribute not in {"__abstractmethods__", "__subclasshook__"}
    }
    # MLflow's functions stay for good, with otel-dspy and without it; what they call is what is looked at.
    kept = {key.replace(KEPT_BY_MLFLOW, ""): own for key, own in found.items() if KEPT_BY_MLFLOW in key}
    return {key: own for key, own in (found | kept).items() if KEPT_BY_MLFLOW not in key}


def main(name: str, *, apart: bool) -> None:
    """Write one JSON object: the order -> what was seen."""
    lines, both = Lines(), Both(name, apart=apart)
    # What the others leave behind for good, and what is imported late, is none of the comparison's.
    both.begin(ours_first=True)
    both.off(ours=True)
    both.off(ours=False)
    before = _methods()
    recorded: dict[str, Any] = {}
    with scripted_lm(dspy_script({"answer": lambda _: "2"})) as server:

        def seen() -> dict[str, Any]:
            program.run(server.api_base)
            return both.seen()

        for ours_on_first, ours_off_first in itertools.product((True, False), repeat=2):
            both.begin(ours_first=ours_on_first)
            found = {"both": seen(), "log": lines.taken()}
            both.off(ours=ours_off_first)
            found["one left"] = seen()
            both.off(ours=not ours_off_first)
            found["none left"] = seen()
            now = _methods()
            found["changed"] = sorted(key for key in now if before.get(key) is not now[key])
            recorded[f"{_first(ours=ours_on_first)} on first, {_first(ours=ours_off_first)} off first"] = found
    sys.stdout.write(json.dumps(recorded) + "\n")


def _first(*, ours: bool) -> str:
    return "otel-dspy" if ours else "the other"


def _forked(name: str, *, apart: bool) -> None:
    """Run `main` in a fork, to its end."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            threads.main() if name == THREADING else main(name, apart=apart)
            sys.stdout.flush()
            status = 0
        except BaseException:  # noqa: BLE001 - this process ends here
            traceback.print_exc()
            sys.stderr.flush()
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    if status:
        sys.exit(1)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    first_apart = arguments.index("--apart") if "--apart" in arguments else len(arguments)
    others = [(one, place > first_apart) for place, one in enumerate(arguments) if place != first_apart]
    if len(others) > 1:
        for imported_by_all in IMPORTED_BY_ALL:
            import_module(imported_by_all)
    for one, is_apart in others:
        if len(others) > 1:
            _forked(one, apart=is_apart)
        else:
            main(one, apart=is_apart)
