"""Hook for agents: an `invoke_agent` span of opentelemetry-util-genai inside the agent's `module` span."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.context import create_key, get_value, set_value
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes as gen_ai
from opentelemetry.util.genai.types import InputMessage, OutputMessage
from typing_extensions import override

from otel_dspy.hooks.patching.call_hook import CallHook, wrap_async_override, wrap_call
from otel_dspy.hooks.patching.capabilities import part
from otel_dspy.hooks.patching.subclasses import wrap_with_subclasses
from otel_dspy.runtime.enclosing_call import within_call
from otel_dspy.serialization.datasets import fields
from otel_dspy.serialization.plain_data import plain
from otel_dspy.telemetry.genai.invocations import end_invocation, text_parts
from otel_dspy.telemetry.secrets.discovery import tools

if TYPE_CHECKING:
    from collections.abc import Callable

    from opentelemetry.context import Context
    from opentelemetry.util.types import AnyValue

    from otel_dspy.hooks.patching.call_hook import Args, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.telemetry.emitter import Telemetry

_AGENT: Final = create_key("otel_dspy.agent")
"""Context key of the running agent's `id`, so that `super().forward()` gets no span of its own."""
_INTERNAL_FIELDS: Final = ("trajectory", "history")
"""Fields that agents return in addition to their output fields. Not recorded: the child spans contain them."""


def install(patches: Patches, telemetry: Telemetry) -> None:
    """Wrap `forward` and `aforward` of `dspy.ReAct` (the base class of CodeAct), `ReActV2` and their subclasses.

    `__call__` is not wrapped: it is inherited from `dspy.Module`, and the wrapper would run for every module.
    """
    from dspy.predict import react  # noqa: PLC0415 - dspy is imported when it is instrumented

    def create_hook(_wrapped: Callable[..., Any], instance: Any, _args: Args, kwargs: Kwargs) -> CallHook | None:
        return None if get_value(_AGENT) == id(instance) else _AgentHook(telemetry, instance, kwargs)

    agents: tuple[Any, ...] = react.ReAct, part("dspy.predict.react_v2:ReActV2")
    for agent in filter(None, agents):
        wrap_with_subclasses(patches, agent, "forward", lambda _: wrap_call(create_hook))
        wrap_with_subclasses(patches, agent, "aforward", lambda own: wrap_async_override(create_hook, own))


class _AgentHook(CallHook):
    part = "the span of an agent"

    def __init__(self, telemetry: Telemetry, agent: Any, kwargs: Kwargs) -> None:
        self._telemetry = telemetry
        self._agent = agent
        self._kwargs = kwargs

    @override
    def open(self) -> Context:
        telemetry = self._telemetry
        invocation = telemetry.genai.invoke_local_agent(agent_name=type(self._agent).__name__)
        self._invocation = invocation
        self._content = telemetry.settings.capture_content and invocation.span.is_recording()
        telemetry.secrets.learn_held(self._agent)
        if self._content:
            parts = text_parts(telemetry, gen_ai.GEN_AI_INPUT_MESSAGES, self._kwargs)
            invocation.input_messages = [InputMessage(role="user", parts=parts)]
            definitions = telemetry.parts_of(gen_ai.GEN_AI_TOOL_DEFINITIONS)
            invocation.tool_definitions = definitions.definitions([_definition(tool) for tool in tools(self._agent)])
        return set_value(_AGENT, id(self._agent), within_call(invocation.span, invocation.context))

    @override
    def record_result(self, result: Any) -> None:
        if self._content:
            answer = {name: value for name, value in fields(result).items() if name not in _INTERNAL_FIELDS}
            parts = text_parts(self._telemetry, gen_ai.GEN_AI_OUTPUT_MESSAGES, answer)
            self._invocation.output_messages = [OutputMessage(role="assistant", parts=parts, finish_reason=None)]

    @override
    def close(self, error: BaseException | None) -> None:
        end_invocation(self._telemetry, self._invocation, error)


def _definition(tool: Any) -> dict[str, AnyValue]:
    """Return a `dspy.Tool` as an OpenAI function definition."""
    args = plain(tool.args)
    properties = args if isinstance(args, dict) else {}
    required = [name for name, schema in properties.items() if not (isinstance(schema, dict) and "default" in schema)]
    return {
        "type": "function",
        "name": str(tool.name),
        "description": plain(tool.desc),
        "parameters": {"type": "object", "properties": properties, "required": required},
    }
