#!/usr/bin/env bash
# DSPy: a demo whose right answer is None is sent as one in which "some input or output fields are not supplied".
#
# Seen on 2026-11-30 with dspy 3.4.1, CPython 3.11.
# Expected: an output of type `str | None` may be None, and an example with that label has all its fields. It is sent as the
#           other demos, in the order in which the optimizer has put them.
# Seen:     an adapter takes a field that is None for one that is missing. The message says so, which makes the answer
#           None one that the model should not imitate, and all demos with None go before the others, so that the nearest
#           neighbor of KNNFewShot, or the one that was put last, is not where it was put. An input that is None, as an
#           optional context, has the same effect.
#
# Output seen:
#   ChatAdapter, given: ['Ann', 'Bob', None]
#     ... some input or output fields are not supplied. [[ ## mail ## ]] Thanks! -> [[ ## name ## ]] None [[ ## completed ## ]]
#     [[ ## mail ## ]] Yours, Ann -> [[ ## name ## ]] Ann [[ ## completed ## ]]
#     [[ ## mail ## ]] Yours, Bob -> [[ ## name ## ]] Bob [[ ## completed ## ]]
#   JSONAdapter, given: ['Ann', 'Bob', None]
#     ... some input or output fields are not supplied. [[ ## mail ## ]] Thanks! -> { "name": null }
#     [[ ## mail ## ]] Yours, Ann -> { "name": "Ann" }
#     [[ ## mail ## ]] Yours, Bob -> { "name": "Bob" }
#   XMLAdapter, given: ['Ann', 'Bob', None]
#     ... some input or output fields are not supplied. <mail> Thanks! </mail> -> <name> None </name>
#     <mail> Yours, Ann </mail> -> <name> Ann </name>
#     <mail> Yours, Bob </mail> -> <name> Bob </name>
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


class Sender(dspy.Signature):
    """Find the name of the sender, or None."""

    mail: str = dspy.InputField()
    name: str | None = dspy.OutputField()


def demos(adapter):
    """The demos in the prompt of a program that was compiled with three examples, as (question, answer)."""
    trainset = [
        dspy.Example(mail=mail, name=name).with_inputs("mail")
        for mail, name in (("Yours, Ann", "Ann"), ("Yours, Bob", "Bob"), ("Thanks!", None))
    ]
    program = dspy.LabeledFewShot(k=3).compile(dspy.Predict(Sender), trainset=trainset, sample=False)
    print(f"{type(adapter).__name__}, given: {[demo.name for demo in program.demos]}")
    lm = DummyLM([{"name": "Cid"}], adapter=adapter)
    with dspy.context(lm=lm, adapter=adapter):
        program(mail="Yours, Cid")
    sent = [message["content"] for message in lm.history[-1]["messages"][1:-1]]
    return list(zip(sent[::2], sent[1::2], strict=True))


for adapter in (dspy.ChatAdapter(), dspy.JSONAdapter(), dspy.XMLAdapter()):
    sent = demos(adapter)
    for question, answer in sent:
        question = question.replace("This is an example of the task, though", "...")
        print(f"  {' '.join(question.split())} -> {' '.join(answer.split())}")
    assert ["are not supplied" in question for question, _ in sent] == [True, False, False]
    assert "Thanks!" in sent[0][0] and "Not supplied" not in sent[0][1]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
