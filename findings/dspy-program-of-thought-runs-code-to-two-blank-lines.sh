#!/usr/bin/env bash
# DSPy: ProgramOfThought and CodeAct run the model's code up to its first two blank lines, as PEP 8 asks for.
#
# Seen on 2026-11-30 with dspy 3.4.1, CPython 3.11.
# Expected: the code that the model has written is run, or rejected.
# Seen:     it is cut at the first two blank lines in a row, and at the first `---`, as in `print("---")`. What is left,
#           here an import, runs without an error and without a result, and the model is asked for the answer with
#           `code_output` null: its answer is a guess, and nothing is logged. Code in a fence loses the end of the fence
#           with the rest, and is a syntax error in each attempt until RuntimeError is raised.
#
# Output seen:
#   one blank line before def: the answer is made from {"output": {"answer": 12}}
#   two blank lines before def: the answer is made from null, and the code is 'import math'
#   two blank lines, in a fence: RuntimeError after 3 calls
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
import warnings

import dspy
from dspy.utils import DummyLM

warnings.simplefilter("ignore")  # deprecated since 3.4
BLANK = "\n\n"
CODE = """import math


def area(radius):
    return math.floor(math.pi * radius**2)


SUBMIT({"answer": area(2)})"""


def run(code):
    """The code that was run and its output, as the model gets them for its answer."""
    lm = DummyLM([*[{"reasoning": "I compute it.", "generated_code": code}], {"reasoning": "So.", "answer": "?"}])
    program = dspy.ProgramOfThought("question -> answer", interpreter_factory=dspy.LocalInterpreter)
    with dspy.context(lm=lm):
        program(question="How large is a circle of radius 2?")
    asked = lm.history[-1]["messages"][-1]["content"].split("[[ ## ")
    shown = [part for part in asked if part.startswith(("final_generated_code", "code_output"))]
    return [part.partition("]]")[2].partition("\n\nRespond with")[0].strip() for part in shown]


code, output = run(CODE.replace(BLANK + "\n", BLANK))
print(f"one blank line before def: the answer is made from {output}")
assert (code, output) == (CODE.replace(BLANK + "\n", BLANK), '{"output": {"answer": 12}}')
code, output = run(CODE)
print(f"two blank lines before def: the answer is made from {output}, and the code is {code!r}")
assert (code, output) == ("import math", "null")
lm = DummyLM([{"reasoning": "I compute it.", "generated_code": f"```python\n{CODE}\n```"}] * 9)
try:
    with dspy.context(lm=lm):
        dspy.ProgramOfThought("question -> answer", interpreter_factory=dspy.LocalInterpreter)(question="?")
except RuntimeError as error:
    print(f"two blank lines, in a fence: {type(error).__name__} after {len(lm.history)} calls")
assert len(lm.history) == 3
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
