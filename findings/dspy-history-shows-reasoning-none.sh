#!/usr/bin/env bash
# DSPy: in a conversation that has no reasoning, ChainOfThought shows the model earlier answers with the reasoning "None".
#
# Seen on 2026-11-30 with dspy 3.4.1, CPython 3.11.
# Expected: the messages of a `dspy.History` are questions and answers, as its documentation has them, and as a chat or a
#           data set stores them. An earlier answer without a reasoning has none in the prompt, or is marked as
#           incomplete, as a demo without a reasoning is: "Not supplied for this particular example."
# Seen:     each earlier answer of the assistant begins with the field `reasoning` and the text None, or null with the
#           JSON adapter: it is an example of an answer without a reasoning. The same holds for any output that the
#           messages do not have. DSPy has a text for this, "Not supplied for this conversation history message.", and
#           gives it to the demos that have all fields instead.
#
# Output seen:
#   ChatAdapter, in the history: [[ ## reasoning ## ]] None [[ ## answer ## ]] four [[ ## completed ## ]]
#   ChatAdapter, as a demo: [[ ## reasoning ## ]] Not supplied for this particular example. [[ ## answer ## ]] four [[ ## comple
#   JSONAdapter, in the history: { "reasoning": null, "answer": "four" }
#   JSONAdapter, as a demo: { "reasoning": "Not supplied for this particular example. ", "answer": "four" }
#   XMLAdapter, in the history: <reasoning> None </reasoning> <answer> four </answer>
#   XMLAdapter, as a demo: <reasoning> Not supplied for this particular example. </reasoning> <answer> four </answer>
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
from dspy.utils import DummyLM


class Question(dspy.Signature):
    """Answer the question."""

    history: dspy.History = dspy.InputField()
    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


def earlier_answer(adapter, history=(), demos=()):
    """The message of the assistant that is in the prompt."""
    lm = DummyLM([{"reasoning": "4 times 4 is 16.", "answer": "sixteen"}], adapter=adapter)
    program = dspy.ChainOfThought(Question)
    program.predict.demos = list(demos)
    with dspy.context(lm=lm, adapter=adapter):
        program(history=dspy.History(messages=list(history)), question="And squared?")
    (message,) = (message for message in lm.history[-1]["messages"] if message["role"] == "assistant")
    return message["content"]


turn = {"question": "2+2?", "answer": "four"}
for adapter in (dspy.ChatAdapter(), dspy.JSONAdapter(), dspy.XMLAdapter()):
    shown, demo = earlier_answer(adapter, history=[turn]), earlier_answer(adapter, demos=[dspy.Example(**turn)])
    print(f"{type(adapter).__name__}, in the history: {' '.join(shown.split())[:100]}")
    print(f"{type(adapter).__name__}, as a demo: {' '.join(demo.split())[:100]}")
    assert "Not supplied for this particular example." in demo and "Not supplied" not in shown
    assert ('"reasoning": null' if isinstance(adapter, dspy.JSONAdapter) else "\nNone\n") in shown
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
