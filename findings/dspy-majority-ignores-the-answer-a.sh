#!/usr/bin/env bash
# DSPy: dspy.majority does not count the answer 'A' of a multiple choice, and counts 1.5 and -15 as 15.
#
# Seen on 2026-11-29 with dspy 3.4.1, CPython 3.11.
# Expected: of four answers A, A, A, B the majority is A; of 1.5, -15, 15, 2, 2 it is 2.
# Seen:     answers are compared without punctuation and without the articles 'a', 'an' and 'the'. The letter A is nothing
#           then, and what is nothing is not counted: one B wins against three times A. A decimal point and a minus are
#           punctuation: three different numbers are one answer. answer_exact_match, the metric of DSPy's guides,
#           compares so too. dspy.majority(..., normalize=None) counts what was answered.
#
# Output seen:
#   majority of A, A, A, B: B
#   majority of A, A, A, B with normalize=None: A
#   majority of 1.5, -15, 15, 2, 2: 1.5
#   majority of 1.5, -15, 15, 2, 2 with normalize=None: 2
#   answer_exact_match: 1.5 for 15 True, -5 for 5 True, 3/4 for 34 True
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
import dspy
from dspy.evaluate import answer_exact_match

seen = []
for answers in (["A", "A", "A", "B"], ["1.5", "-15", "15", "2", "2"]):
    completions = [{"answer": answer} for answer in answers]
    for text, settings in (("", {}), (" with normalize=None", {"normalize": None})):
        seen.append(dspy.majority(completions, **settings).answer)
        print(f"majority of {', '.join(answers)}{text}: {seen[-1]}")
pairs = [("1.5", "15"), ("-5", "5"), ("3/4", "34")]
accepted = [answer_exact_match(dspy.Example(answer=right), dspy.Prediction(answer=given)) for given, right in pairs]
texts = [f"{given} for {right} {verdict}" for (given, right), verdict in zip(pairs, accepted)]
print(f"answer_exact_match: {', '.join(texts)}")
assert seen == ["B", "A", "1.5", "2"] and accepted == [True, True, True]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
