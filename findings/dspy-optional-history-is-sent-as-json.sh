#!/usr/bin/env bash
# DSPy: an input of type `dspy.History | None` is sent as JSON text, not as the turns of a conversation.
#
# Seen on 2026-11-30 with dspy 3.4.1, CPython 3.11.
# Expected: a `dspy.History` is sent as messages: the user's and the assistant's turns, before the question. An input that
#           may be left out, as in the first question of a conversation, is `dspy.History | None`, as any optional input.
# Seen:     the adapters look for a field whose type is `dspy.History` itself. With the optional type the conversation is
#           one JSON object in the message of the question: no earlier turn is an answer of the assistant. Nothing is logged,
#           and a program that was changed to make the field optional has other prompts and other scores.
#
# Output seen:
#   ChatAdapter: dspy.History -> ['user', 'assistant', 'user']
#   ChatAdapter: dspy.History | None -> ['user']
#   JSONAdapter: dspy.History -> ['user', 'assistant', 'user']
#   JSONAdapter: dspy.History | None -> ['user']
#   XMLAdapter: dspy.History -> ['user', 'assistant', 'user']
#   XMLAdapter: dspy.History | None -> ['user']
#   <history>
#   {"messages": [{"question": "2+2?", "answer": "four"}]}
#   </history>
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


class MaybeQuestion(dspy.Signature):
    """Answer the question."""

    history: dspy.History | None = dspy.InputField()
    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


def messages(signature, adapter):
    """What the model is sent after the system message."""
    lm = DummyLM([{"answer": "nine"}], adapter=adapter)
    history = dspy.History(messages=[{"question": "2+2?", "answer": "four"}])
    with dspy.context(lm=lm, adapter=adapter):
        dspy.Predict(signature)(history=history, question="And squared plus 5 minus 12?")
    return lm.history[-1]["messages"][1:]


for adapter in (dspy.ChatAdapter(), dspy.JSONAdapter(), dspy.XMLAdapter()):
    turns, text = messages(Question, adapter), messages(MaybeQuestion, adapter)
    name = type(adapter).__name__
    print(f"{name}: dspy.History -> {[message['role'] for message in turns]}")
    print(f"{name}: dspy.History | None -> {[message['role'] for message in text]}")
    assert [message["role"] for message in turns] == ["user", "assistant", "user"]
    assert [message["role"] for message in text] == ["user"]
    assert '{"messages": [{"question": "2+2?", "answer": "four"}]}' in text[0]["content"]
print(text[0]["content"].split("\n\n")[0])
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
