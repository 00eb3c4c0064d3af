#!/usr/bin/env bash
# DSPy: what was compiled on its own is left out when the program around it is saved, and set_lm passes it by.
#
# Seen on 2026-11-29 with dspy 3.4.1, CPython 3.11.
# Expected: save() writes "the state of the module", with the demos of each predictor in it, and set_lm sets the model
#           "for all predictors in this module".
# Seen:     a part that BootstrapFewShot has compiled is frozen, and frozen parts are not listed among the parameters.
#           The file of a program with such a step, and of an ensemble of such programs, has no predictor and no demo,
#           without a warning; the new process that loads it raises KeyError. After set_lm the step still calls the old
#           model.
#
# Output seen:
#   compiled step, predictors and demos in the file: {'predict': 2}
#   the step in a program: {}
#   an ensemble of two: {}
#   a new process loads the program: KeyError 'step.predict'
#   calls after set_lm: {'old': 1, 'new': 0}
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
import contextlib
import io
import json
from pathlib import Path

import dspy
from dspy.utils import DummyLM

examples = [
    dspy.Example(question=f"question {number}", answer="yes").with_inputs("question") for number in range(4)
]
old, new = (DummyLM([{"reasoning": "because", "answer": "yes"}] * 100) for _ in range(2))
dspy.configure(lm=old)


def compiled():
    optimizer = dspy.BootstrapFewShot(metric=lambda *_: True, max_bootstrapped_demos=2, max_labeled_demos=0)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return optimizer.compile(dspy.ChainOfThought("question -> answer"), trainset=examples)


class Pipeline(dspy.Module):
    def __init__(self, step):
        super().__init__()
        self.step = step

    def forward(self, question):
        return self.step(question=question)


seen = {}


def saved(name, program):
    program.save("program.json")
    state = json.loads(Path("program.json").read_text())
    seen[name] = {key: len(part["demos"]) for key, part in state.items() if key != "metadata"}
    print(f"{name}: {seen[name]}")


saved("compiled step, predictors and demos in the file", compiled())
saved("the step in a program", Pipeline(compiled()))
saved("an ensemble of two", dspy.Ensemble().compile([compiled(), compiled()]))
Pipeline(compiled()).save("program.json")
try:
    Pipeline(dspy.ChainOfThought("question -> answer")).load("program.json")
    loaded = "loaded"
except KeyError as error:
    loaded = f"KeyError {error}"
print(f"a new process loads the program: {loaded}")
pipeline = Pipeline(compiled())
pipeline.set_lm(new)
before = len(old.history)
pipeline(question="question 5")
models = {"old": len(old.history) - before, "new": len(new.history)}
print(f"calls after set_lm: {models}")
assert list(seen.values()) == [{"predict": 2}, {}, {}]
assert loaded == "KeyError 'step.predict'" and models == {"old": 1, "new": 0}
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
