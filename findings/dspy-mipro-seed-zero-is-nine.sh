#!/usr/bin/env bash
# DSPy: MIPROv2.compile(seed=0) searches with seed 9.
#
# Seen on 2026-11-28 with dspy 3.4.1, CPython 3.11.
# Expected: the seed that was given: 0 is the seed that people give most.
# Seen:     `seed or self.seed`: 0 counts as not given, and the constructor's default of 9 is used.
#
# Output seen:
#   compile(seed=0) searches with seed 9
#   compile(seed=1) searches with seed 1
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check "dspy[optuna]==3.4.1"
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import dspy


class Stopped(Exception):
    pass


class Watched(dspy.MIPROv2):
    """The optimizer itself: it ends where it has chosen its seed."""

    def _set_random_seeds(self, seed):
        raise Stopped(seed)


found = []
for given in (0, 1):
    optimizer = Watched(lambda *_: 1.0, auto=None, num_candidates=1, prompt_model=dspy.LM("a/b"), task_model=dspy.LM("a/b"))
    rows = [dspy.Example(question="q", answer="a").with_inputs("question") for _ in range(4)]
    try:
        optimizer.compile(
            dspy.Predict("question -> answer"), trainset=rows, num_trials=1, minibatch=False, seed=given,
        )
    except Stopped as chosen:
        found.append(chosen.args[0])
        print(f"compile(seed={given}) searches with seed {found[-1]}")
assert found == [9, 1]
PYTHON
