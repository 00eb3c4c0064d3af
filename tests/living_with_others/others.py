"""The others: how each instrumentation is switched on and off."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import trace

from tests.support.span_recorder import CountingIds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.sdk.trace import SpanProcessor

INSTRUMENTORS: Final = {
    "opentelemetry-instrumentation-genai-dspy": "opentelemetry.instrumentation.genai.dspy:DSPyInstrumentor",
    "openinference-instrumentation-dspy": "openinference.instrumentation.dspy:DSPyInstrumentor",
    "opentelemetry-instrumentation-genai-openai": "opentelemetry.instrumentation.genai.openai:OpenAIInstrumentor",
    "opentelemetry-instrumentation-openai": "opentelemetry.instrumentation.openai:OpenAIInstrumentor",
    "opentelemetry-instrumentation-litellm": "opentelemetry.instrumentation.litellm:LiteLLMInstrumentor",
    "openinference-instrumentation-openai": "openinference.instrumentation.openai:OpenAIInstrumentor",
    "openinference-instrumentation-litellm": "openinference.instrumentation.litellm:LiteLLMInstrumentor",
}
"""Package -> its instrumentor."""
MLFLOW: Final = {
    "mlflow.dspy.autolog": "mlflow.dspy",
    "mlflow.openai.autolog": "mlflow.openai",
    "mlflow.litellm.autolog": "mlflow.litellm",
}
"""Function -> its module."""
THREADING: Final = "opentelemetry-instrumentation-threading"
LOGFIRE: Final = "logfire.instrument_dspy"
"""OpenInference's instrumentation with Logfire's tracer provider, which wraps the SDK's."""


def logfire_provider(processor: SpanProcessor) -> Any:
    """What `logfire.configure()` makes the global provider; its spans go to this processor alone."""
    logfire: Any = import_module("logfire")
    advanced = logfire.AdvancedOptions(id_generator=CountingIds())
    logfire.configure(
        send_to_logfire=False, console=False, metrics=False, inspect_arguments=False, scrubbing=False,
        additional_span_processors=[processor], advanced=advanced,
    )  # fmt: skip
    return trace.get_tracer_provider()


def switches(name: str, providers: Mapping[str, Any]) -> tuple[Callable[[], object], Callable[[], object]]:
    """What switches this one on, with these providers where it takes any, and what switches it off."""
    if name in MLFLOW:
        flavor: Any = import_module(MLFLOW[name])
        return flavor.autolog, lambda: flavor.autolog(disable=True)
    if name == LOGFIRE:
        _, off = switches("openinference-instrumentation-dspy", providers)
        return import_module("logfire").instrument_dspy, off
    module, _, cls = INSTRUMENTORS[name].partition(":")
    instrumentor: Any = getattr(import_module(module), cls)()
    return lambda: instrumentor.instrument(**providers, skip_dep_check=True), instrumentor.uninstrument
