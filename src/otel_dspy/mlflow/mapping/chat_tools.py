"""Conversion of GenAI tool definitions to MLflow's `mlflow.chat.tools` format.

MLflow 3.17 copies `gen_ai.tool.definitions` to that attribute unchanged. Its chat view and its judges expect OpenAI's
format there, and show none of the tools if one of them has another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast


def chat_tools(definitions: object) -> list[dict[str, object]]:
    """Return the functions among the tools, in the format of `mlflow.types.chat.ChatTool`.

    Args:
        definitions: the parsed value of `gen_ai.tool.definitions`.
    """
    items = cast("list[Any]", definitions) if isinstance(definitions, list) else []
    tools = [cast("Mapping[str, Any]", item) for item in items if isinstance(item, Mapping)]
    return [_tool(tool) for tool in tools if tool.get("type") == "function" and tool.get("name")]


def _tool(tool: Mapping[str, Any]) -> dict[str, object]:
    function: dict[str, object] = {"name": str(tool["name"])}
    if tool.get("description") is not None:
        function["description"] = str(tool["description"])
    parameters = tool.get("parameters")
    if isinstance(parameters, Mapping):
        function["parameters"] = _parameters(cast("Mapping[str, Any]", parameters))
    return {"type": "function", "function": function}


def _parameters(schema: Mapping[str, Any]) -> dict[str, object]:
    found: object = schema.get("properties")
    properties = cast("Mapping[str, object]", found if isinstance(found, Mapping) else {})
    parameters: dict[str, object] = {
        "type": "object",
        "properties": {name: _property(described) for name, described in properties.items()},
    }
    required, additional = schema.get("required"), schema.get("additionalProperties")
    if isinstance(required, list):
        parameters["required"] = [str(name) for name in cast("list[object]", required)]
    if isinstance(additional, bool):  # MLflow does not accept a schema here
        parameters["additionalProperties"] = additional
    return parameters


def _property(described: object) -> dict[str, object]:
    """Return one parameter's schema. MLflow's chat view does not support JSON Schema's list of types, only `anyOf`."""
    if not isinstance(described, Mapping):
        return {}
    schema = dict(cast("Mapping[str, object]", described))
    types = schema.get("type")
    if isinstance(types, list):
        del schema["type"]
        schema["anyOf"] = [{"type": one} for one in cast("list[object]", types)]
    return schema
