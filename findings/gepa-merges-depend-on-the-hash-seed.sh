#!/usr/bin/env bash
# gepa: with the same seed, a merge gives another program in another process: it depends on PYTHONHASHSEED.
#
# Seen on 2026-11-29 with gepa 0.1.4, CPython 3.11.
# Expected: "seed: the seed to use for the random number generator": a deterministic model, adapter and seed give the same
#           candidates each time.
# Seen:     where two candidates of the same score have both changed a text, the merge draws whose text to take. The order
#           of these draws is that of a set of names, which differs from process to process.
#
# Output seen (which hash seed gives which depends on the Python version):
#   search of candidate 1, write of candidate 2: PYTHONHASHSEED 0, 3, 5, 7
#   search of candidate 2, write of candidate 1: PYTHONHASHSEED 1, 2, 4, 6
#   the same seed again: the same
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check gepa==0.1.4
cd "$folder"
cat >finding.py <<'PYTHON'
import collections
import itertools
import os
import subprocess
import sys

import gepa
from gepa import EvaluationBatch

QUESTIONS = list(range(8))
STEPS = ("plan", "search", "write", "check")
texts = itertools.count(1)
turns = itertools.cycle([["plan", "search", "write"], ["search", "write", "check"]])


class Adapter:
    """Questions 0 to 3 gain by another text of the first step, 4 to 7 by one of the last; the others lose a little."""

    propose_new_texts = None

    def evaluate(self, batch, candidate, capture_traces=False):
        scores = []
        for question in batch:
            own, other = ("plan", "check") if question < 4 else ("check", "plan")
            scores.append(0.75 if candidate[own] != "seed" else 0.375 if candidate[other] != "seed" else 0.5)
        return EvaluationBatch(outputs=scores, scores=scores, trajectories=[{}] * len(batch) if capture_traces else None)

    def make_reflective_dataset(self, candidate, evaluated, components):
        return {name: [{"Feedback": "change it"}] for name in components}


def merged():
    """Which candidate each text of the merge comes from."""
    result = gepa.optimize(
        seed_candidate=dict.fromkeys(STEPS, "seed"),
        trainset=QUESTIONS,
        valset=QUESTIONS,
        adapter=Adapter(),
        reflection_lm=lambda prompt: f"```\ntext {next(texts)}\n```",
        module_selector=lambda *_: next(turns),
        reflection_minibatch_size=8,
        use_merge=True,
        max_metric_calls=60,
        seed=0,
    )
    (number,) = [number for number, parents in enumerate(result.parents) if len(parents) == 2]
    first = result.candidates[1]
    return {step: 1 if result.candidates[number][step] == first[step] else 2 for step in ("search", "write")}


if len(sys.argv) > 1:
    found = merged()
    print(f"search of candidate {found['search']}, write of candidate {found['write']}")
    sys.exit()


def run(hash_seed):
    done = subprocess.run(
        [sys.executable, __file__, "merge"],
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed)}, capture_output=True, text=True, check=True,
    )
    return done.stdout.splitlines()[-1]


seen = collections.defaultdict(list)
for hash_seed in range(8):
    seen[run(hash_seed)].append(hash_seed)
for text, hash_seeds in sorted(seen.items()):
    print(f"{text}: PYTHONHASHSEED {', '.join(map(str, hash_seeds))}")
again = all(run(hash_seeds[0]) == text for text, hash_seeds in seen.items())
print(f"the same seed again: {'the same' if again else 'another one'}")
assert len(seen) == 2 and again, dict(seen)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
