#!/usr/bin/env bash
# DSPy: a tool of an MCP server that answers with a text and an image returns the text; the image is lost without a line.
#
# Seen on 2026-11-30 with dspy 3.4.1, mcp 2.3.0, CPython 3.11.
# Expected: `dspy.Tool.from_mcp_tool` returns all that the server has sent, as it does with an image alone.
# Seen:     where one content of the result is a text, the others (images, sounds, resources) are dropped
#           (`_convert_mcp_tool_result`: `return tool_content or non_text_contents`). A screenshot with its caption is the
#           caption.
#
# Output seen:
#   picture: sent ImageContent; returned [ImageContent]
#   captioned: sent TextContent, ImageContent; returned 'a red dot'
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check dspy==3.4.1 mcp==2.3.0
cd "$folder"
export DSPY_CACHEDIR="$folder/cache" LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import asyncio
import base64

import dspy
from mcp.client.client import Client
from mcp.server.mcpserver import Image, MCPServer

RED_DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
server = MCPServer("pictures")


@server.tool()
def picture() -> list:
    """Show it."""
    return [Image(data=RED_DOT, format="png")]


@server.tool()
def captioned() -> list:
    """Show it with a caption."""
    return ["a red dot", Image(data=RED_DOT, format="png")]


async def main() -> None:
    async with Client(server) as client:
        seen = {}
        for tool in (await client.list_tools()).tools:
            sent = [type(content).__name__ for content in (await client.call_tool(tool.name)).content]
            returned = await dspy.Tool.from_mcp_tool(client, tool).acall()
            if isinstance(returned, list):
                returned = [type(content).__name__ for content in returned]
            seen[tool.name] = sent, returned
            shown = f"[{', '.join(returned)}]" if isinstance(returned, list) else repr(returned)
            print(f"{tool.name}: sent {', '.join(sent)}; returned {shown}")
    assert seen == {
        "picture": (["ImageContent"], ["ImageContent"]),
        "captioned": (["TextContent", "ImageContent"], "a red dot"),
    }


asyncio.run(main())
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
