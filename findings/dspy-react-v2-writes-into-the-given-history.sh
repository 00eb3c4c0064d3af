#!/usr/bin/env bash
# DSPy: ReActV2 appends its turns to the history that it is given: a second evaluation has the answers of the first in its
# prompts.
#
# Seen on 2026-11-30 with dspy 3.4.1, CPython 3.11.
# Expected: `history` is an input: an agent reads it, and returns the conversation with its own turns as
#           `prediction.history`. `dspy.History` is frozen, and Predict, ReAct and ChainOfThought leave it as it is.
# Seen:     the turns, with the answer that was submitted, are appended to the object that was given, which is the
#           example's. Each further evaluation of the same examples sends longer prompts that contain earlier answers:
#           the scores of two programs that are compared, or of an optimizer's trials, are those of other inputs. Two
#           examples that share a conversation have each other's turns in the first evaluation already.
#
# Output seen:
#   ReActV2: 2, 5, 8 messages in the prompts of three evaluations, 3 turns in the example's history, which had none
#   ReAct: 2, 2, 2 messages in the prompts of three evaluations, 0 turns in the example's history, which had none
#   Predict: 2, 2, 2 messages in the prompts of three evaluations, 0 turns in the example's history, which had none
#   the second prompt of ReActV2 has the answer of the first evaluation: True
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


class Question(dspy.Signature):
    """Answer the question."""

    history: dspy.History = dspy.InputField()
    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


def search(query: str) -> str:
    return "nothing"


submit = {"tool_calls": [{"name": "submit", "args": {"answer": "four"}}]}
finish = {"next_thought": "I know.", "next_tool_name": "finish", "next_tool_args": {}}
lms = {}


def evaluate(name, program, answers):
    """Evaluate the program three times on one example, which has a history without messages."""
    example = dspy.Example(question="2+2", history=dspy.History(messages=[]), answer="four")
    devset = [example.with_inputs("question", "history")]
    evaluation = dspy.Evaluate(devset=devset, metric=lambda gold, pred: gold.answer == pred.answer, num_threads=1)
    lms[name] = lm = DummyLM(answers * 3)
    with dspy.context(lm=lm):
        assert [evaluation(program).score for _ in range(3)] == [100.0] * 3
    prompts = [len(call["messages"]) for call in lm.history[:: len(answers)]]
    turns = len(example.history.messages)
    print(
        f"{name}: {', '.join(map(str, prompts))} messages in the prompts of three evaluations,"
        f" {turns} turns in the example's history, which had none"
    )
    return prompts, turns


agent = dspy.ReActV2("question -> answer", tools=[search])
answers = [{"next_thought": "I know.", "tool_calls": json.dumps(submit)}]
assert evaluate("ReActV2", agent, answers) == ([2, 5, 8], 3)
answers = [finish, {"reasoning": "I know.", "answer": "four"}]
assert evaluate("ReAct", dspy.ReAct(Question, tools=[search]), answers) == ([2, 2, 2], 0)
assert evaluate("Predict", dspy.Predict(Question), [{"answer": "four"}]) == ([2, 2, 2], 0)
found = "four" in str(lms["ReActV2"].history[1]["messages"])
print(f"the second prompt of ReActV2 has the answer of the first evaluation: {found}")
assert found
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
