"""Tool definitions of the GenAI conventions in the shape that MLflow reads: `mlflow.chat.tools`.

MLflow 3.17 copies `gen_ai.tool.definitions` to that attribute as they are, where its chat view and its judges look for
OpenAI's shape, and show none of the tools if one of them is in another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast


def chat_tools(definitions: object) -> list[dict[str, object]]:
    """The functions among the tools, as `mlflow.types.chat.ChatTool` has them.

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
    if isinstance(additional, bool):  # MLflow takes no schema here
        parameters["additionalProperties"] = additional
    return parameters


def _property(described: object) -> dict[str, object]:
    """One parameter's schema. MLflow's chat view takes no list of types, which JSON Schema has as well as `anyOf`."""
    if not isinstance(described, Mapping):
        return {}
    schema = dict(cast("Mapping[str, object]", described))
    types = schema.get("type")
    if isinstance(types, list):
        del schema["type"]
        schema["anyOf"] = [{"type": one} for one in cast("list[object]", types)]
    return schema
