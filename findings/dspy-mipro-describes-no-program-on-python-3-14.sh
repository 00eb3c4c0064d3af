#!/usr/bin/env bash
# DSPy: on Python 3.14 MIPROv2 never describes the program to the model that proposes instructions.
#
# Seen on 2026-11-30 with dspy 3.4.1, pydantic 2.14.4, CPython 3.14.10.
# Expected: program_aware_proposer, which is on by default, describes the program to the proposing model: for each
#           proposal one call describes the program and one the module. So it is on CPython 3.11 to 3.13.
# Seen:     the proposer reads the name of a signature from the namespace that Pydantic keeps of the frame which made the
#           class. On Python 3.14 DSPy tells Pydantic to keep none, so that this reading raises TypeError for every
#           program. The proposer prints the error, switches the description off and goes on: instructions are proposed
#           from the signature's fields alone.
#
# Output seen:
#   Error getting source code: 'NoneType' object is not subscriptable.
#
#   Running without program aware proposer.
#   the program's source is known to the proposer: False
#   calls that describe the program or its module: 0
#
# Exit status: 0 while the behavior is as described, 1 if it has changed, 2 without Python 3.14 (python3.14 or $PYTHON).
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=${PYTHON:-python3.14}
"$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 14))' ||
    { echo "This script needs Python 3.14: set PYTHON to its path." >&2; exit 2; }
"$python" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check dspy==3.4.1 pydantic==2.14.4 optuna==5.0.0
cd "$folder"
export DSPY_CACHEDIR="$folder/cache" LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import dspy
from dspy.propose import GroundedProposer
from dspy.utils import DummyLM


class Program(dspy.Module):
    def __init__(self):
        super().__init__()
        self.step = dspy.Predict("question -> answer")

    def forward(self, question):
        return self.step(question=question)


fields = ("observations", "summary", "program_description", "module_description", "proposed_instruction")
lm = DummyLM([{name: "text" for name in fields}] * 100)
examples = [dspy.Example(question=f"question {number}", answer="yes").with_inputs("question") for number in range(4)]
with dspy.context(lm=lm):
    proposer = GroundedProposer(prompt_model=lm, program=Program(), trainset=examples)
    proposer.propose_instructions_for_program(
        trainset=examples, program=Program(), demo_candidates=None, trial_logs={}, N=2
    )
described = [call for call in lm.history if "program_description" in str(call["messages"][0]["content"])]
print("the program's source is known to the proposer:", proposer.program_code_string is not None)
print("calls that describe the program or its module:", len(described))
assert proposer.program_code_string is None
assert not proposer.program_aware
assert len(lm.history) > 1
assert not described
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
