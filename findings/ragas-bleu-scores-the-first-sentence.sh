#!/usr/bin/env bash
# Ragas: BleuScore compares the first sentence of an answer: what follows it does not count.
#
# Seen on 2026-12-01 with ragas 0.4.3, sacrebleu 2.6.0, langchain-community 0.3.31, CPython 3.11.
# Expected: an answer whose second sentence is on another subject has a lower BLEU score than the reference itself.
# Seen:     answer and reference are split at ". ", and each sentence of the reference is passed to sacreBLEU as a list
#           of references of its own, for a corpus of one sentence. sacreBLEU stops at the shortest list: the sentences
#           of the answer after the first one are not read, and all sentences of the reference are alternatives for it.
#
# Output seen:
#   the reference itself: 1.0
#   a wrong second sentence: 1.0
#   twenty more sentences: 1.0
#   without the second sentence: 0.915
#   sacrebleu, a wrong second sentence: 0.447
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check ragas==0.4.3 sacrebleu==2.6.0 \
    langchain-community==0.3.31
cd "$folder"
export RAGAS_DO_NOT_TRACK=true
cat >finding.py <<'PYTHON'
import asyncio

from ragas.metrics.collections import BleuScore
from sacrebleu import corpus_bleu

FIRST = "The Eiffel Tower stands in Paris near the river Seine."
REFERENCE = f"{FIRST} It was built in 1889 for the World's Fair of that year."
WRONG = f"{FIRST} Bananas are green when they have not ripened in the sun."


def bleu(answer):
    return round(asyncio.run(BleuScore().ascore(reference=REFERENCE, response=answer)).value, 3)


same, wrong, long, short = bleu(REFERENCE), bleu(WRONG), bleu(f"{FIRST} " + "It is blue. " * 20), bleu(FIRST)
print(f"the reference itself: {same}")
print(f"a wrong second sentence: {wrong}")
print(f"twenty more sentences: {long}")
print(f"without the second sentence: {short}")
whole = round(corpus_bleu([WRONG], [[REFERENCE]]).score / 100, 3)
print(f"sacrebleu, a wrong second sentence: {whole}")
assert same == wrong == long == 1.0 and short < 1.0 and whole < 0.6
PYTHON
"$folder/venv/bin/python" -W ignore finding.py 2>log || { cat log >&2; exit 1; }
