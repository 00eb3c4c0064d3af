"""Conversion of GenAI tool definitions to MLflow's `mlflow.chat.tools` format.

MLflow 3.17 copies `gen_ai.tool.definitions` to that attribute unchanged. Its chat view and its judges expect OpenAI's
format there, and show none of the tools if one of them has another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.serialization.json_types import is_array, is_mapping

if TYPE_CHECKING:
    from collections.abc import Mapping


def chat_tools(definitions: object) -> list[dict[str, object]]:
    """Return the functions among the tools, in the format of `mlflow.types.chat.ChatTool`.

    Args:
        definitions: the parsed value of `gen_ai.tool.definitions`.
    """
    tools = [item for item in definitions if is_mapping(item)] if is_array(definitions) else []
    return [_tool(tool) for tool in tools if tool.get("type") == "function" and tool.get("name")]


def _tool(tool: Mapping[str, object]) -> dict[str, object]:
    function: dict[str, object] = {"name": str(tool["name"])}
    if tool.get("description") is not None:
        function["description"] = str(tool["description"])
    parameters = tool.get("parameters")
    if is_mapping(parameters):
        function["parameters"] = _parameters(parameters)
    return {"type": "function", "function": function}


def _parameters(schema: Mapping[str, object]) -> dict[str, object]:
    properties = schema.get("properties")
    parameters: dict[str, object] = {
        "type": "object",
        "properties": (
            {name: _property(described) for name, described in properties.items()} if is_mapping(properties) else {}
        ),
    }
    required, additional = schema.get("required"), schema.get("additionalProperties")
    if is_array(required):
        parameters["required"] = [str(name) for name in required]
    if isinstance(additional, bool):  # MLflow does not accept a schema here
        parameters["additionalProperties"] = additional
    return parameters


def _property(described: object) -> dict[str, object]:
    """Return one parameter's schema. MLflow's chat view does not support JSON Schema's list of types, only `anyOf`."""
    if not is_mapping(described):
        return {}
    schema = dict(described)
    types = schema.get("type")
    if is_array(types):
        del schema["type"]
        schema["anyOf"] = [{"type": one} for one in types]
    return schema
