#!/usr/bin/env bash
# DSPy: an agent whose model names a tool that does not exist raises, and all that it has found is lost.
#
# Seen on 2026-11-30 with dspy 3.4.1, CPython 3.11.
# Expected: `ReAct` ends the trajectory ("Agent failed to select a valid tool" is the text of its warning) and answers
#           from what it has observed, as it goes on after a tool that raises.
# Seen:     its `except ValueError` around the choice of the tool is never reached: the adapter reports an answer
#           outside the tools' names as AdapterParseError, which is none. After a second call by the JSON adapter the
#           error leaves the agent; neither the warning nor the trajectory is seen, and `Evaluate` counts the example
#           as failed.
#
# Output seen:
#   a tool that raises: 'Paris' after 5 calls of the model
#   a tool that does not exist: AdapterParseError after 3 calls of the model
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check dspy==3.4.1
cd "$folder"
export DSPY_CACHEDIR="$folder/cache" LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import json

import dspy
from dspy.lm15 import Message, Response, TextPart, Usage


class Engine:
    """Searches, then calls the given tool, then finishes and answers: in the format that the prompt asks for."""

    def __init__(self, second_tool):
        self.tools = iter(["search", second_tool, second_tool, "finish"])
        self.calls = 0
        self.tool = None

    def complete(self, request):
        self.calls += 1
        wanted = request.messages[-1].parts[-1].text.rpartition("Respond with")[2]
        as_json = wanted.startswith(" a JSON object")
        if "next_tool_name" in wanted:
            self.tool = self.tool if as_json else next(self.tools)
            arguments = {} if self.tool == "finish" else {"query": "France"}
            fields = {"next_thought": "?", "next_tool_name": self.tool, "next_tool_args": arguments}
        else:
            fields = {"reasoning": "It was found.", "answer": "Paris"}
        if as_json:
            text = json.dumps(fields)
        else:
            values = {name: value if isinstance(value, str) else json.dumps(value) for name, value in fields.items()}
            text = "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in values.items())
        message = Message(role="assistant", parts=(TextPart(text=text),))
        return Response(id="1", model="model", message=message, finish_reason="stop", usage=Usage())


def search(query: str) -> str:
    """Search an encyclopedia."""
    return "Its capital is Paris."


def broken(query: str) -> str:
    """Search the web."""
    raise RuntimeError("no network")


def ask(second_tool):
    engine = Engine(second_tool)
    lm = dspy.LM("openai/model", engine=engine, cache=False)
    agent = dspy.ReAct("question -> answer", tools=[search, broken], max_iters=4)
    with dspy.context(lm=lm):
        try:
            result = repr(agent(question="What is the capital of France?").answer)
        except Exception as error:
            result = type(error).__name__
    return result, engine.calls


for name, second_tool, expected in (
    ("a tool that raises", "broken", ("'Paris'", 5)),
    ("a tool that does not exist", "lookup", ("AdapterParseError", 3)),
):
    result, calls = ask(second_tool)
    print(f"{name}: {result} after {calls} calls of the model")
    assert (result, calls) == expected
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
