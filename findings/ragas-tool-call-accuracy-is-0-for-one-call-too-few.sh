#!/usr/bin/env bash
# Ragas: ToolCallAccuracy scores 0 for nine of ten right calls, where its documentation has a proportional penalty.
#
# Seen on 2026-12-01 with ragas 0.4.3, langchain-community 0.3.31, CPython 3.11.
# Expected: "Length mismatch: compares only the overlapping portion and applies coverage penalty": 0.81 for nine right
#           calls of ten, as the warning of the run announces too ("Only the first 9 tool calls will be compared").
# Seen:     the score is multiplied by 1 if the two lists of names are equal, which lists of different lengths never are,
#           and by 0 otherwise, also with strict_order=False. A missing call and an additional one count as no right call.
#
# Output seen:
#   ten of ten calls: 1.0
#   the first nine of ten calls: 0.0 (Only the first 9 tool calls will be compared.)
#   one call more: 0.0 (Only the first 10 tool calls will be compared.)
#   the first nine of ten calls, strict_order=False: 0.0 (Only the first 9 tool calls will be compared.)
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check ragas==0.4.3 langchain-community==0.3.31
cd "$folder"
export RAGAS_DO_NOT_TRACK=true
cat >finding.py <<'PYTHON'
import asyncio
import warnings

from ragas.messages import AIMessage, HumanMessage, ToolCall
from ragas.metrics import ToolCallAccuracy as Described
from ragas.metrics.collections import ToolCallAccuracy

assert "compares only the overlapping portion and applies coverage penalty" in Described.__doc__
CALLS = [ToolCall(name="read_page", args={"number": number}) for number in range(11)]
EXPECTED = CALLS[:10]


def accuracy(calls, **settings):
    conversation = [HumanMessage(content="Read on."), AIMessage(content="", tool_calls=calls)]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        metric = ToolCallAccuracy(**settings)
        score = asyncio.run(metric.ascore(user_input=conversation, reference_tool_calls=EXPECTED)).value
    announced = [str(line.message).split("). ")[1] for line in caught if "Length mismatch" in str(line.message)]
    return score, f" ({announced[0]})" if announced else ""


scores = []
for name, calls, settings in [
    ("ten of ten calls", CALLS[:10], {}),
    ("the first nine of ten calls", CALLS[:9], {}),
    ("one call more", CALLS, {}),
    ("the first nine of ten calls, strict_order=False", CALLS[:9], {"strict_order": False}),
]:
    score, announced = accuracy(calls, **settings)
    scores.append(score)
    print(f"{name}: {score}{announced}")
assert scores == [1.0, 0.0, 0.0, 0.0]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
