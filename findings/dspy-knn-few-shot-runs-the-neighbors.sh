#!/usr/bin/env bash
# DSPy: each prediction of a KNNFewShot program first runs the program on its neighbors: four calls of the model for one.
#
# Seen on 2026-11-29 with dspy 3.4.1, numpy 2.4.6, CPython 3.11.
# Expected: after compile the program "attaches them (the k most similar examples) as demonstrations": a prediction is one
#           call, as with LabeledFewShot.
# Seen:     a prediction runs BootstrapFewShot on the k neighbors, a call for each, and then itself. The demos are answers
#           of the model, not of the training set. Without a cache the same question pays again, in production as well;
#           max_bootstrapped_demos=0 gives the labeled examples and one call.
#
# Output seen:
#   LabeledFewShot: 1 calls, then 1
#   KNNFewShot, k=3: 4 calls, then 4
#   KNNFewShot, k=3, max_bootstrapped_demos=0: 1 calls, then 1
#   demo of 1+1 in the prompt: 2 in the training set, 'model' with KNNFewShot
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
from dspy.utils import DummyLM

examples = [
    dspy.Example(question=f"{number}+{number}", answer=str(2 * number)).with_inputs("question") for number in range(1, 9)
]
embedder = dspy.Embedder(lambda texts: np.array([[1.0, float(text[-1])] for text in texts], dtype=np.float32))
lm = DummyLM([{"answer": "model"}] * 1000)
dspy.configure(lm=lm)
counted = {}


def predict(name, program):
    counts = []
    for _ in range(2):
        before = len(lm.history)
        with contextlib.redirect_stdout(io.StringIO()):
            program(question="1+1")
        counts.append(len(lm.history) - before)
    counted[name] = counts
    print(f"{name}: {counts[0]} calls, then {counts[1]}")


plain = dspy.Predict("question -> answer")
predict("LabeledFewShot", dspy.LabeledFewShot(k=3).compile(plain, trainset=examples))
predict("KNNFewShot, k=3", dspy.KNNFewShot(k=3, trainset=examples, vectorizer=embedder).compile(plain))
demos = [message["content"] for message in lm.history[-1]["messages"] if message["role"] == "assistant"]
labeled = dspy.KNNFewShot(k=3, trainset=examples, vectorizer=embedder, max_bootstrapped_demos=0).compile(plain)
predict("KNNFewShot, k=3, max_bootstrapped_demos=0", labeled)
answer = demos[0].split("]]")[1].split()[0]
print(f"demo of 1+1 in the prompt: {examples[0].answer} in the training set, {answer!r} with KNNFewShot")
assert list(counted.values()) == [[1, 1], [4, 4], [1, 1]] and len(demos) == 3 and answer == "model"
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
