#!/usr/bin/env bash
# DSPy: `ToolCall.execute(functions=[tool])` calls the function with unchecked arguments, and no callback sees the tool.
#
# Seen on 2026-11-30 with dspy 3.4.1, CPython 3.11.
# Expected: "functions: Functions to search for the tool. Can be: Dict mapping tool names to functions, List of Tool
#           objects": the same tool in a dict and in a list gives the same result.
# Seen:     from a list `tool.func` is called, from a dict the `dspy.Tool`. With the list a parameter of a pydantic type
#           gets the model's dict, an argument that breaks the schema is accepted, and no callback of DSPy is called, so
#           that MLflow, Phoenix and others have no span of the tool.
#
# Output seen:
#   dict: the function got a Period of 3 days, 1 callbacks
#   list: the function got a dict, 0 callbacks
#   arguments that break the schema: ValueError from the dict, 'dict' from the list
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
import dspy
import pydantic
from dspy.utils.callback import BaseCallback


class Period(pydantic.BaseModel):
    days: int


class Counter(BaseCallback):
    started = 0

    def on_tool_start(self, call_id, instance, inputs):
        Counter.started += 1


def forecast(period: Period) -> str:
    return f"a Period of {period.days} days" if isinstance(period, Period) else f"a {type(period).__name__}"


dspy.configure(callbacks=[Counter()])
tool = dspy.Tool(forecast)


def call(period):
    return dspy.ToolCalls.from_dict_list([{"name": "forecast", "args": {"period": period}}]).tool_calls[0]


seen = {}
for name, functions in (("dict", {"forecast": tool}), ("list", [tool])):
    Counter.started = 0
    seen[name] = call({"days": 3}).execute(functions=functions), Counter.started
    print(f"{name}: the function got {seen[name][0]}, {seen[name][1]} callbacks")
assert seen == {"dict": ("a Period of 3 days", 1), "list": ("a dict", 0)}
try:
    call({"days": "soon"}).execute(functions={"forecast": tool})
except RuntimeError as error:
    refused = type(error.__cause__).__name__
accepted = call({"days": "soon"}).execute(functions=[tool])
print(f"arguments that break the schema: {refused} from the dict, {accepted.removeprefix('a ')!r} from the list")
assert (refused, accepted) == ("ValueError", "a dict")
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
