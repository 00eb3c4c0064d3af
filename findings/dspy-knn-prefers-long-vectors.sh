#!/usr/bin/env bash
# DSPy: KNN, and with it KNNFewShot, takes the example with the longest vector for the nearest one.
#
# Seen on 2026-11-28 with dspy 3.4.1, CPython 3.11.
# Expected: the nearest neighbor by angle or distance: the query's own text comes first. dspy.retrievers.Embeddings
#           normalizes vectors by default.
# Seen:     examples are ranked by the plain dot product. An embedder whose vectors are not of length 1 (many models for
#           sentence embeddings) gets the same few examples as demos for every query.
#
# Output seen:
#   KNN: nearest to 'cats': 'a long text on everything'
#   Embeddings: nearest to 'cats': 'cats'
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
import dspy
import numpy

VECTORS = {"cats": [1.0, 0.0], "dogs": [0.0, 1.0], "a long text on everything": [5.0, 5.0]}


def embed(texts):
    return numpy.array([VECTORS[text.removeprefix("topic: ")] for text in texts], dtype=numpy.float32)


examples = [dspy.Example(topic=topic).with_inputs("topic") for topic in VECTORS]
nearest = dspy.KNN(k=1, trainset=examples, vectorizer=dspy.Embedder(embed, caching=False))(topic="cats")[0].topic
print(f"KNN: nearest to 'cats': {nearest!r}")
found = dspy.retrievers.Embeddings(corpus=list(VECTORS), embedder=embed, k=1)("cats").passages[0]
print(f"Embeddings: nearest to 'cats': {found!r}")
assert (nearest, found) == ("a long text on everything", "cats")
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
