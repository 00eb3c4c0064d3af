#!/usr/bin/env bash
# DSPy: two embedders over two models of your own share one cache: the second one gets the first one's vectors.
#
# Seen on 2026-11-28 with dspy 3.4.1, numpy 2.4.6, CPython 3.11.
# Expected: dspy.Embedder(small.encode) and dspy.Embedder(large.encode) each return their own model's vectors. The
#           documentation says that `caching` (True by default) is for hosted models.
# Seen:     a callable enters the cache key as its source text, here that of the method `encode`, which is the same for
#           every instance. The large model is not called; its embedder returns the small model's vectors, from disk also
#           in the next process. So do two lambdas on lines that read the same, and a model whose weights have changed.
#
# Output seen:
#   small: [1. 1.], calls of its model: 1
#   large: [1. 1.], calls of its model: 0
#   large, caching=False: [2. 2.], calls of its model: 1
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


class Model:
    def __init__(self, value):
        self.value, self.calls = value, 0

    def encode(self, texts):
        self.calls += 1
        return [[self.value, self.value] for _ in texts]


small, large = Model(1.0), Model(2.0)
first = dspy.Embedder(small.encode)(["a text"])[0]
print(f"small: {first}, calls of its model: {small.calls}")
second = dspy.Embedder(large.encode)(["a text"])[0]
print(f"large: {second}, calls of its model: {large.calls}")
assert second.tolist() == [1.0, 1.0] and large.calls == 0
uncached = dspy.Embedder(large.encode, caching=False)(["a text"])[0]
print(f"large, caching=False: {uncached}, calls of its model: {large.calls}")
assert uncached.tolist() == [2.0, 2.0]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
