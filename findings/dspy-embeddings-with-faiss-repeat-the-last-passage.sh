#!/usr/bin/env bash
# DSPy: beyond its threshold the retriever `Embeddings` fills its passages up with the last one of the corpus.
#
# Seen on 2026-12-01 with dspy 3.4.1, faiss-cpu 1.15.1, numpy 2.4.6, CPython 3.11.
# Expected: k different passages, as without FAISS, or the ones that the index has found where they are fewer.
# Seen:     FAISS is asked for ten times k candidates of 16 partitions of the corpus. Where these hold fewer, as with
#           k=50 of 1000 passages, FAISS fills its answer up with -1, which DSPy takes for an index: of the last passage.
#           A question to which that passage belongs gets it again and again instead of the others; the prediction
#           names the index -1. A corpus has FAISS from 20,000 passages on, or from `brute_force_threshold` on.
#
# Output seen:
#   without FAISS: 50 passages, different ones: 50
#   with FAISS: 50 passages, different ones: 1, 50 times 'passage 999', 49 of them at index -1
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check dspy==3.4.1 numpy==2.4.6 faiss-cpu==1.15.1
cd "$folder"
export DSPY_CACHEDIR="$folder/cache" LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import dspy
import numpy

corpus = [f"passage {number}" for number in range(1000)]
random = numpy.random.default_rng(0)
vectors = {text: random.normal(size=64) for text in corpus}


def embed(texts):
    """Return for a question a vector near that of the passage that it is on."""
    return numpy.array([vectors[text.removeprefix("question on ")] for text in texts], dtype=numpy.float32)


def found(**settings):
    embedder = dspy.Embedder(embed, caching=False)
    return dspy.retrievers.Embeddings(corpus, embedder, k=50, **settings)(f"question on {corpus[-1]}")


exact = found()
print(f"without FAISS: {len(exact.passages)} passages, different ones: {len(set(exact.passages))}")
result = found(brute_force_threshold=1000)
last, wrong = result.passages.count(corpus[-1]), result.indices.count(-1)
print(
    f"with FAISS: {len(result.passages)} passages, different ones: {len(set(result.passages))}, "
    f"{last} times {corpus[-1]!r}, {wrong} of them at index -1"
)
assert len(set(exact.passages)) == 50 and -1 not in exact.indices
assert last > 5 and wrong > 5 and len(set(result.passages)) < 45
PYTHON
"$folder/venv/bin/python" finding.py >out 2>log || { cat out log >&2; exit 1; }
grep "FAISS:" out
