"""Hook for tool calls: `execute_tool` spans of opentelemetry-util-genai."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from typing_extensions import override

from otel_dspy.hooks.patching.call_hook import CallHook, wrap_async_call, wrap_call
from otel_dspy.runtime.enclosing_call import within_call
from otel_dspy.serialization.plain_data import bounded
from otel_dspy.telemetry.call_context import context_for_call
from otel_dspy.telemetry.genai.invocations import end_invocation
from otel_dspy.telemetry.secrets.names import is_secret_name
from otel_dspy.telemetry.secrets.patterns import REDACTED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context
    from opentelemetry.trace import Span
    from opentelemetry.util.types import AnyValue

    from otel_dspy.hooks.patching.call_hook import Args, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.telemetry.emitter import Telemetry


def install(patches: Patches, telemetry: Telemetry) -> None:
    """Wrap `Tool.__call__` and `Tool.acall`."""
    from dspy.adapters.types.tool import Tool  # noqa: PLC0415 - dspy is imported when it is instrumented

    def create_hook(_wrapped: Callable[..., Any], instance: Any, _args: Args, kwargs: Kwargs) -> CallHook:
        return _ToolHook(telemetry, instance, kwargs)

    patches.wrap(Tool, "__call__", wrap_call(create_hook))
    patches.wrap(Tool, "acall", wrap_async_call(create_hook))


class _ToolHook(CallHook):
    part = "the span of a tool"

    def __init__(self, telemetry: Telemetry, tool: Any, kwargs: Kwargs) -> None:
        self._telemetry = telemetry
        self._tool = tool
        self._kwargs = kwargs
        self._content: dict[str, AnyValue] = {}
        """Plain data by attribute, serialized when the span ends."""

    @override
    def open(self) -> Context:
        # Secrets of a tool may appear in the agent's next prompt.
        self._telemetry.secrets.learn_held(self._tool)
        self._telemetry.secrets.learn_arguments(self._kwargs)
        self._invocation = self._telemetry.genai.tool(
            str(self._tool.name), tool_type="function", context=context_for_call(self._tool)
        )
        self._capture = self._telemetry.settings.capture_content and self._invocation.span.is_recording()
        self._messages = self._capture and self._telemetry.genai.content_on_spans
        if self._capture and self._tool.desc is not None:
            self._content[gen_ai.GEN_AI_TOOL_DESCRIPTION] = bounded(self._tool.desc)
        if self._messages:
            self._content[gen_ai.GEN_AI_TOOL_CALL_ARGUMENTS] = bounded(
                {name: REDACTED if is_secret_name(name) else value for name, value in self._kwargs.items()}
            )
        return within_call(self._invocation.span, self._invocation.context)

    @override
    def record_result(self, result: Any) -> None:
        if self._messages:
            self._content[gen_ai.GEN_AI_TOOL_CALL_RESULT] = bounded(result)

    @override
    def close(self, error: BaseException | None) -> None:
        span = self._invocation.span
        if self._content:
            self._telemetry.before_end(span, self.part, _set_content, self._telemetry, span, self._content)
        end_invocation(self._telemetry, self._invocation, error)


def _set_content(telemetry: Telemetry, span: Span, content: Mapping[str, AnyValue]) -> None:
    span.set_attributes({name: telemetry.content.cleaned(name, value) for name, value in content.items()})
