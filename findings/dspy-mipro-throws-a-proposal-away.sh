#!/usr/bin/env bash
# DSPy: MIPROv2 asks for a proposal for each candidate, and throws the first one of each predictor away.
#
# Seen on 2026-12-01 with dspy 3.4.1, optuna 5.0.0, CPython 3.11.
# Expected: of three instruction candidates one is the program's own instruction. Two are asked for.
# Seen:     three are asked for, each with a description of the program and of the step before it, and the first one is
#           replaced by the program's own instruction: three of nine calls of the prompt model are for nothing, for
#           each predictor. With `auto="light"`, which has three candidates unless demos are off, it is a third of all.
#
# Output seen:
#   calls: program_description 3, module_description 3, proposed_instruction 3
#   candidates: ['Given the fields `question`, produce the fields `answer`.', 'Proposal 2.', 'Proposal 3.']
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check dspy==3.4.1 optuna==5.0.0
cd "$folder"
export DSPY_CACHEDIR="$folder/cache" LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import contextlib
import io
import re

import dspy
from dspy.lm15 import Message, Response, TextPart, Usage

asked = []
candidates = []


class Model:
    """Answers each output field that the prompt asks for; its proposals are numbered."""

    def complete(self, request):
        listed = str(request.system).split("output fields are:")[1].split("All interactions")[0]
        names = re.findall(r"^\d+\. `(\w+)`", listed, re.MULTILINE)
        asked.extend(names)
        number = asked.count("proposed_instruction")
        values = {name: f"Proposal {number}." if name == "proposed_instruction" else "text" for name in names}
        text = "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in values.items())
        return Response(
            id="1", model="model", message=Message(role="assistant", parts=(TextPart(text=text),)),
            finish_reason="stop", usage=Usage(),
        )


class Recorded(dspy.MIPROv2):
    """Shows the candidates that the search is given."""

    def _propose_instructions(self, *arguments, **settings):
        proposed = super()._propose_instructions(*arguments, **settings)
        candidates.extend(proposed[0])
        return proposed


trainset = [dspy.Example(question=str(number)).with_inputs("question") for number in range(4)]
dspy.configure(lm=dspy.LM("openai/model", engine=Model(), cache=False))
with contextlib.redirect_stdout(io.StringIO()):
    optimizer = Recorded(
        metric=lambda example, prediction, trace=None: 1.0, auto=None, num_candidates=3, max_bootstrapped_demos=0,
        max_labeled_demos=0, num_threads=1,
    )
    program = dspy.Predict("question -> answer")
    optimizer.compile(program, trainset=trainset, valset=trainset, num_trials=2, minibatch=False)
calls = {name: asked.count(name) for name in ("program_description", "module_description", "proposed_instruction")}
print("calls: " + ", ".join(f"{name} {count}" for name, count in calls.items()))
print(f"candidates: {candidates}")
assert set(calls.values()) == {3}
assert candidates == [program.signature.instructions, "Proposal 2.", "Proposal 3."]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
