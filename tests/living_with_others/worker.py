"""Runs a program under otel-dspy and one other instrumentation, in both orders, and tells what was seen, as JSON.

`python -m tests.living_with_others.worker OTHER` runs in the environment that has all of them.
"""

from __future__ import annotations

import itertools
import json
import logging
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

import dspy
import openai  # noqa: F401 - so that its instrumentations find it loaded
from opentelemetry import trace

from otel_dspy import DSPyInstrumentor
from tests.dspy_answers import dspy_script
from tests.in_process_lm import in_process_lm
from tests.lm_server import scripted_lm
from tests.span_recorder import CountingIds, Recorder
from tests.telemetry_capture import TelemetryCapture

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

_INSTRUMENTORS: Final = {
    "genai-dspy": "opentelemetry.instrumentation.genai.dspy:DSPyInstrumentor",
    "openinference-dspy": "openinference.instrumentation.dspy:DSPyInstrumentor",
    "openinference-litellm": "openinference.instrumentation.litellm:LiteLLMInstrumentor",
    "openinference-openai": "openinference.instrumentation.openai:OpenAIInstrumentor",
    "genai-openai": "opentelemetry.instrumentation.genai.openai:OpenAIInstrumentor",
    "openai-v2": "opentelemetry.instrumentation.openai_v2:OpenAIInstrumentor",
    "traceloop-openai": "opentelemetry.instrumentation.openai:OpenAIInstrumentor",
    "traceloop-litellm": "opentelemetry.instrumentation.litellm:LiteLLMInstrumentor",
}
_MLFLOW: Final = {"mlflow-dspy": "dspy", "mlflow-openai": "openai", "mlflow-litellm": "litellm"}


def add(left: int, right: int) -> int:
    """Add two numbers."""
    return left + right


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.getMessage()}")


def _theirs(name: str, providers: Mapping[str, Any]) -> tuple[Callable[[], Any], Callable[[], Any]]:
    if name in _MLFLOW:
        flavour: Any = import_module(f"mlflow.{_MLFLOW[name]}")
        return flavour.autolog, lambda: flavour.autolog(disable=True)
    module, _, cls = _INSTRUMENTORS[name].partition(":")
    instrumentor = getattr(import_module(module), cls)()
    return (
        lambda: instrumentor.instrument(**providers, skip_dep_check=True),
        instrumentor.uninstrument,
    )


def _program(address: str) -> None:
    answers = {
        "next_thought": lambda _: "add them",
        "next_tool_name": lambda _: "add",
        "next_tool_args": lambda _: '{"left": 1, "right": 2}',
        "answer": lambda _: "3",
        "reasoning": lambda _: "it is",
    }
    script = dspy_script(answers)
    tracer = trace.get_tracer("user")
    with tracer.start_as_current_span("user's own"):
        with dspy.context(lm=in_process_lm(script)):
            dspy.ReAct("question -> answer", tools=[dspy.Tool(add, name="add")], max_iters=1)(question="1+2")
        # A header of one's own: DSPy goes by way of litellm, and litellm by way of openai.
        lm = dspy.LM("openai/scripted", api_base=address, api_key="k", cache=False, extra_headers={"x-mine": "1"})
        with dspy.context(lm=lm):
            dspy.Predict("question -> answer")(question="1+1")


def _methods() -> dict[tuple[str, str], Any]:
    """Every method of every class of DSPy."""
    return {
        (f"{cls.__module__}.{cls.__qualname__}", attribute): own
        for name, module in list(sys.modules.items())
        if name.split(".")[0] == "dspy"
        for cls in list(vars(module).values())
        if isinstance(cls, type) and cls.__module__.startswith("dspy")
        for attribute, own in list(vars(cls).items())
        if callable(own) and attribute not in {"__abstractmethods__", "__subclasshook__"}
    }


def _tree(capture: TelemetryCapture) -> list[str]:
    """Every trace: name, whose span it is, and what is known of a model's call."""
    recorder = Recorder(capture)
    whose = {span.name: f"[{span.instrumentation_scope.name}]" for span in capture.spans if span.instrumentation_scope}
    shown = ("gen_ai.usage.", "lm.cache_hit", "module.name")
    return [line + " " + whose[_name(line, whose)] for line in recorder.tree("", *shown)]


def _name(line: str, names: Iterable[str]) -> str:
    return max((name for name in names if line.strip().startswith(name)), key=len)


def _in_mlflow() -> list[str]:
    """The traces that MLflow's own autologging has written, a line a span, and no more of them afterwards."""
    client: Any = import_module("mlflow").MlflowClient()
    found: list[str] = []
    traces = client.search_traces(locations=["0"], order_by=["timestamp_ms ASC"])
    for trace_found in traces:
        depths: dict[str | None, int] = {None: -1}
        for span in trace_found.data.spans:
            depths[span.span_id] = depths[span.parent_id] + 1
            found.append("  " * depths[span.span_id] + span.name)
    if traces:
        client.delete_traces(experiment_id="0", trace_ids=[one.info.trace_id for one in traces])
    return found


def _tokens(capture: TelemetryCapture) -> dict[str, float]:
    """How many tokens the metrics have counted since they were last asked."""
    data = capture.metrics()
    counted: dict[str, float] = {}
    for resource in data.resource_metrics if data is not None else ():
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                if metric.name == "gen_ai.client.token.usage":
                    counted[scope.scope.name] = sum(cast("Any", point).sum for point in metric.data.data_points)
    return counted


class _Both:
    """otel-dspy and another, on and off in any order."""

    def __init__(self, name: str, *, apart: bool) -> None:
        self.name = name
        self.theirs = TelemetryCapture(id_generator=CountingIds())
        self.ours = TelemetryCapture(id_generator=CountingIds()) if apart else self.theirs
        trace.set_tracer_provider(self.theirs.tracer_provider)
        self._begin, self._end = _theirs(name, self.theirs.providers)

    def begin(self, *, ours_first: bool) -> None:
        steps = [lambda: DSPyInstrumentor().instrument(**self.ours.providers), self._begin]
        for step in steps if ours_first else reversed(steps):
            step()

    def end(self, *, ours_first: bool) -> None:
        steps = [DSPyInstrumentor().uninstrument, self._end]
        for step in steps if ours_first else reversed(steps):
            step()

    def seen(self) -> dict[str, Any]:
        """What there is since the last time."""
        found = {"spans": _tree(self.theirs), "tokens": _tokens(self.theirs)}
        if self.ours is not self.theirs:
            found |= {"our spans": _tree(self.ours), "our tokens": _tokens(self.ours)}
            self.ours.span_exporter.clear()
        if self.name in _MLFLOW:
            found["traces in MLflow"] = _in_mlflow()
        self.theirs.span_exporter.clear()
        return found


def main(name: str, *, apart: bool) -> None:
    """See the module. `apart`: otel-dspy has providers of its own."""
    lines = _Lines()
    logging.getLogger("otel_dspy").addHandler(lines)
    both = _Both(name, apart=apart)
    both.begin(ours_first=True)
    both.end(ours_first=True)
    lines.lines.clear()
    before = _methods()
    seen: dict[str, Any] = {}
    with scripted_lm(dspy_script({"answer": lambda _: "2"})) as server:
        for begin, end in itertools.product((True, False), repeat=2):
            both.begin(ours_first=begin)
            _program(server.api_base)
            if name in _MLFLOW:
                import_module("mlflow").flush_trace_async_logging()
            both.end(ours_first=end)
            after = _methods()
            case = f"{_first(begin)} on first, {_first(end)} off first"
            changed = [
                f"{owner}.{attribute}"
                for (owner, attribute), own in after.items()
                if before.get((owner, attribute)) is not own
            ]
            seen[case] = {**both.seen(), "log": list(lines.lines), "changed": changed}
            lines.lines.clear()
    print(json.dumps(seen))


def _first(ours: bool) -> str:  # noqa: FBT001 - read in the sentence that it is put into
    return "otel-dspy" if ours else "the other"


if __name__ == "__main__":
    main(sys.argv[1], apart="--apart" in sys.argv)
