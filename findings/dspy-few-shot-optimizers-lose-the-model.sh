#!/usr/bin/env bash
# DSPy: the few-shot optimizers drop the model that set_lm gave to the program: what they return calls another one.
#
# Seen on 2026-11-29 with dspy 3.4.1, numpy 2.4.6, CPython 3.11.
# Expected: set_lm sets "the language model for all predictors in this module"; the compiled program keeps it, as one of
#           COPRO does, and so do the calls of the optimization.
# Seen:     LabeledFewShot, BootstrapFewShot, BootstrapFewShotWithRandomSearch and KNNFewShot reset the predictors that
#           they copy, models included. The demos come from the configured model, the scores are of it, and the program
#           that is returned calls it, at its price. No line is logged. Without a configured model nothing can be
#           called.
#
# Output seen:
#   LabeledFewShot: optimized with none, then calls the configured one
#   BootstrapFewShot: optimized with the configured one, then calls the configured one
#   BootstrapFewShotWithRandomSearch: optimized with the configured one, then calls the configured one
#   KNNFewShot: optimized with none, then calls the configured one
#   COPRO: optimized with the program's, then calls the program's
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check dspy==3.4.1 numpy==2.4.6
cd "$folder"
export DSPY_CACHEDIR="$folder/cache" LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import contextlib
import io

import dspy
import numpy as np
from dspy.teleprompt import COPRO, BootstrapFewShotWithRandomSearch
from dspy.utils import DummyLM

examples = [dspy.Example(question=f"{number}+{number}").with_inputs("question") for number in range(1, 5)]
embedder = dspy.Embedder(lambda texts: np.array([[1.0, float(text[-1])] for text in texts], dtype=np.float32))
prompts = DummyLM([{"proposed_instruction": "Add.", "proposed_prefix_for_output_field": "Sum:"}] * 10)
seen = {}


def metric(example, prediction, trace=None):
    """Note which model is evaluated, and be content with it."""
    evaluated.add(prediction.answer)
    return True


def compiled_with(optimizer, **arguments):
    """Compile a program that has a model of its own, in a process with another model configured."""
    dspy.configure(lm=DummyLM([{"answer": "the configured one"}] * 100))
    program = dspy.Predict("question -> answer")
    program.set_lm(DummyLM([{"answer": "the program's"}] * 100))
    evaluated.clear()
    with contextlib.redirect_stdout(io.StringIO()):
        compiled = optimizer.compile(program, **arguments)
        optimized = " and ".join(evaluated) or "none"
        answer = compiled(question="2+2").answer
    name = type(optimizer).__name__
    seen[name] = optimized, answer
    print(f"{name}: optimized with {optimized}, then calls {answer}")


evaluated = set()
with contextlib.redirect_stdout(io.StringIO()):
    search = BootstrapFewShotWithRandomSearch(metric, max_bootstrapped_demos=2, num_candidate_programs=1, num_threads=1)
compiled_with(dspy.LabeledFewShot(k=2), trainset=examples)
compiled_with(dspy.BootstrapFewShot(metric=metric, max_bootstrapped_demos=2), trainset=examples)
compiled_with(search, trainset=examples)
compiled_with(dspy.KNNFewShot(k=2, trainset=examples, vectorizer=embedder, metric=metric))
quiet = {"num_threads": 1, "display_progress": False}
compiled_with(COPRO(prompts, metric, breadth=2, depth=1), trainset=examples, eval_kwargs=quiet)
assert seen == {
    "LabeledFewShot": ("none", "the configured one"),
    "BootstrapFewShot": ("the configured one", "the configured one"),
    "BootstrapFewShotWithRandomSearch": ("the configured one", "the configured one"),
    "KNNFewShot": ("none", "the configured one"),
    "COPRO": ("the program's", "the program's"),
}
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
