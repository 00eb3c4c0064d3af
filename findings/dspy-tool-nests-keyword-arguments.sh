#!/usr/bin/env bash
# DSPy: what a model gives as `**filters` of a tool arrives as one argument named filters, one level too deep.
#
# Seen on 2026-11-30 with dspy 3.4.1, CPython 3.11.
# Expected: DSPy supports tools with `**kwargs` (`Tool.has_kwargs`). `def search(query, **filters)` takes any further
#           argument: a model can call `search(query="mail", lang="de")`, and none of them is required.
# Seen:     the definition of the tool that the model gets has a parameter named `filters` without a type, and requires it.
#           A model that follows it gives an object, and the function gets `filters={"filters": {"lang": "de"}}`: it
#           finds no `lang` and, without an error, answers as if there were no filter. Without a filter it gets
#           `{"filters": {}}`. `*args` is such a parameter too, and a call that follows the definition raises.
#
# Output seen:
#   definition: {"type": "object", "properties": {"query": {"type": "string"}, "filters": {}}, "required": ["query", "filters"]}
#   the model gives {'query': 'mail', 'filters': {'lang': 'de'}}
#     the function gets {'filters': {'lang': 'de'}}, and finds ['Post', 'mail', 'mail']
#   a model that ignores the definition gives {'query': 'mail', 'lang': 'de'}
#     the function gets {'lang': 'de'}, and finds ['Post']
#   *numbers: ValueError: Arg numbers is invalid: [1.0, 2.0] is not of type 'number'
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
from dspy.utils import DummyLM

DOCUMENTS = [{"text": "Post", "lang": "de"}, {"text": "mail", "lang": "en"}, {"text": "mail", "lang": "fr"}]
got = []


def search(query: str, **filters):
    """Search documents, of one language with lang."""
    got.append(filters)
    lang = filters.get("lang")
    return [document["text"] for document in DOCUMENTS if lang in (None, document["lang"])]


def total(*numbers: float) -> float:
    """Add numbers."""
    return sum(numbers)


definition = dspy.Tool(search).format_as_litellm_function_call()["function"]["parameters"]
print(f"definition: {json.dumps(definition)}")
assert definition["required"] == ["query", "filters"]

call = {"name": "search", "args": {"query": "mail", "filters": {"lang": "de"}}}
turns = [
    {"next_thought": "I search.", "next_tool_name": call["name"], "next_tool_args": call["args"]},
    {"next_thought": "I know.", "next_tool_name": "finish", "next_tool_args": {}},
    {"reasoning": "I know.", "answer": "Post"},
]
with dspy.context(lm=DummyLM(turns)):
    found = dspy.ReAct("question -> answer", tools=[search])(question="?").trajectory["observation_0"]
print(f"the model gives {call['args']}")
print(f"  the function gets {got[-1]}, and finds {found}")
assert got[-1] == {"filters": {"lang": "de"}} and found == ["Post", "mail", "mail"]
found = dspy.Tool(search)(query="mail", lang="de")
print("a model that ignores the definition gives {'query': 'mail', 'lang': 'de'}")
print(f"  the function gets {got[-1]}, and finds {found}")
assert got[-1] == {"lang": "de"} and found == ["Post"]
try:
    dspy.Tool(total)(numbers=[1.0, 2.0])
except Exception as error:
    print(f"*numbers: {type(error).__name__}: {' '.join(str(error).split())[:90]}")
else:
    raise AssertionError("total was called")
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
