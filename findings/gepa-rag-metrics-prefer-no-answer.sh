#!/usr/bin/env bash
# gepa: the metrics of the generic RAG adapter score an empty answer above a wrong one.
#
# Seen on 2026-11-28 with gepa 0.1.4, CPython 3.11.
# Expected: no answer scores 0, or at least no more than any other wrong answer.
# Seen:     an answer without a word of four letters and without a phrase counts as wholly faithful to the context. With
#           the documents right, an empty answer has 0.51 of 1, and so has a wrong number; a wrong word has 0.30. A search
#           over prompts can raise its score by answering less.
#
# Output seen:
#   expected 'Paris', answered 'Paris': 1.00
#   expected 'Paris', answered '': 0.51
#   expected 'Paris', answered '42': 0.51
#   expected 'Paris', answered 'I do not know': 0.30
#   expected 'Paris', answered 'Lyon': 0.30
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check gepa==0.1.4
cd "$folder"
cat >finding.py <<'PYTHON'
from gepa.adapters.generic_rag_adapter.evaluation_metrics import RAGEvaluationMetrics

metrics = RAGEvaluationMetrics()
context = "Paris is the capital of France. It lies on the Seine."
retrieval = metrics.evaluate_retrieval([{"metadata": {"doc_id": "france"}}], ["france"])
scores = {}
for answer in ("Paris", "", "42", "I do not know", "Lyon"):
    generation = metrics.evaluate_generation(answer, "Paris", context)
    scores[answer] = round(metrics.combined_rag_score(retrieval, generation), 2)
    print(f"expected 'Paris', answered {answer!r}: {scores[answer]:.2f}")
assert scores[""] == scores["42"] == 0.51 and scores["I do not know"] == scores["Lyon"] == 0.3
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
