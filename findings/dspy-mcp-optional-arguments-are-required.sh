#!/usr/bin/env bash
# DSPy: an optional argument of an MCP tool is required in what the model gets, unless the server gives it a default.
#
# Seen on 2026-11-30 with dspy 3.4.1, mcp 2.3.0, CPython 3.11.
# Expected: the tool's schema says what is required, and with native function calling the model gets the same list.
# Seen:     `required` of the server's schema is not kept; each argument without a "default" is required
#           (`Tool.format_as_litellm_function_call`). Servers in TypeScript write optional arguments without one. The
#           model has to make up a value for each: a filter, a limit or a date that nobody has asked for.
#
# Output seen:
#   the server requires: ['query']
#   the model gets as required: ['query', 'author', 'limit']
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
import dspy
from mcp.types import Tool

# One tool of the answer to tools/list.
listed = {
    "name": "search_issues",
    "description": "Search issues.",
    "inputSchema": {
        "type": "object",
        "properties": {
            "query": {"type": "string"},
            "author": {"type": "string", "description": "Only issues by this author."},
            "limit": {"type": "integer"},
        },
        "required": ["query"],
    },
}


class Model(dspy.BaseLM):
    supports_function_calling = True

    def __call__(self, prompt=None, messages=None, tools=None, **settings):
        self.tools = tools
        call = {"name": "search_issues", "arguments": '{"query": "crash"}'}
        return [{"text": "", "tool_calls": [{"id": "1", "type": "function", "function": call}]}]


class Step(dspy.Signature):
    """Call a tool."""

    request: str = dspy.InputField()
    tools: list[dspy.Tool] = dspy.InputField()
    calls: dspy.ToolCalls = dspy.OutputField()


tool = dspy.Tool.from_mcp_tool(None, Tool.model_validate(listed))
model = Model("model")
with dspy.context(lm=model, adapter=dspy.ChatAdapter(use_native_function_calling=True)):
    dspy.Predict(Step)(request="Find crashes.", tools=[tool])
required = model.tools[0]["function"]["parameters"]["required"]
print(f"the server requires: {listed['inputSchema']['required']}")
print(f"the model gets as required: {required}")
assert required == ["query", "author", "limit"]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
