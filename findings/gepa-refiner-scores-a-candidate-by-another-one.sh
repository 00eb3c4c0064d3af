#!/usr/bin/env bash
# gepa: with a refiner optimize_anything returns a candidate with a score that another, refined, text has reached.
#
# Seen on 2026-11-30 with gepa 0.1.4, CPython 3.11.
# Expected: "the better of (original, refined) is kept" (RefinerConfig): the best candidate is the text of the best score.
# Seen:     the higher score of the two is kept, and with it the original text. `best_candidate` scores 0.2 when it is
#           evaluated, `val_aggregate_scores` says 1.0. The text that has scored 1.0 is in `best_outputs_valset` alone. As a
#           proposal is compared by refined scores too, one that scores 0.6 itself is rejected.
#
# Output seen:
#   best candidate: 'a draft', score in the result: 1.0
#   evaluated: 0.2
#   text with the score 1.0: 'refined'
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check gepa==0.1.4
cd "$folder"
cat >finding.py <<'PYTHON'
import contextlib
import io
import json

from gepa.optimize_anything import EngineConfig, GEPAConfig, RefinerConfig, ReflectionConfig, optimize_anything

SCORES = {"a draft": 0.2, "a proposal": 0.6, "refined": 1.0}


def evaluate(candidate):
    return SCORES[candidate]


config = GEPAConfig(
    engine=EngineConfig(max_metric_calls=12, parallel=False),
    reflection=ReflectionConfig(reflection_lm=lambda prompt: "```\na proposal\n```"),
    refiner=RefinerConfig(refiner_lm=lambda prompt: json.dumps({"current_candidate": "refined"})),
)
with contextlib.redirect_stdout(io.StringIO()):
    result = optimize_anything(
        seed_candidate="a draft", evaluator=evaluate, objective="A high score.", config=config
    )
best, reported = result.best_candidate, result.val_aggregate_scores[result.best_idx]
((_, (_, refined, _)),) = result.best_outputs_valset[0]
print(f"best candidate: {best!r}, score in the result: {reported}")
print(f"evaluated: {evaluate(best)}")
print(f"text with the score {reported}: {refined['current_candidate']!r}")
assert (best, reported, refined["current_candidate"]) == ("a draft", 1.0, "refined")
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
