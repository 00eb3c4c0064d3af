#!/usr/bin/env bash
# DSPy: an example on which the teacher of BootstrapFewShot fails takes its demo from the teacher's prompt for good.
#
# Seen on 2026-11-29 with dspy 3.4.1, CPython 3.11.
# Expected: the teacher has six labeled demos. For each example its own demo is left out, so that the prompt has five, for
#           an example after a failure (a rate limit, an answer that cannot be parsed) as for any other.
# Seen:     the demo that was left out is put back only if the teacher returns. After three failures the prompt of all
#           later examples has three demos less. What the optimizer returns depends on errors that it has skipped.
#
# Output seen:
#   no failure: demos in the prompts of six examples [5, 5, 5, 5, 5, 5]
#   the first three fail: demos in the prompts of six examples [5, 4, 3, 2, 2, 2]
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
import contextlib
import io

import dspy
from dspy.utils import DummyLM

examples = [dspy.Example(question=f"q{number}", answer="yes").with_inputs("question") for number in range(6)]


class Model(DummyLM):
    """Counts the demos of each prompt; fails for some questions."""

    def __init__(self, failing):
        super().__init__([])
        self.failing = failing
        self.demos = []

    def __call__(self, prompt=None, messages=None, **settings):
        self.demos.append(sum(message["role"] == "assistant" for message in messages))
        if len(self.demos) <= self.failing:
            raise RuntimeError("too many requests")
        return ["[[ ## answer ## ]]\nyes\n\n[[ ## completed ## ]]"]


def bootstrap(failing):
    lm = Model(failing)
    # Without the JSON adapter, which would ask once more.
    with dspy.context(lm=lm, adapter=dspy.ChatAdapter(use_json_adapter_fallback=False)):
        with contextlib.redirect_stdout(io.StringIO()):
            dspy.BootstrapFewShot(metric=lambda *_: True, max_bootstrapped_demos=6, max_labeled_demos=6).compile(
                dspy.Predict("question -> answer"), trainset=examples
            )
    return lm.demos


seen = [bootstrap(0), bootstrap(3)]
print(f"no failure: demos in the prompts of six examples {seen[0]}")
print(f"the first three fail: demos in the prompts of six examples {seen[1]}")
assert seen == [[5, 5, 5, 5, 5, 5], [5, 4, 3, 2, 2, 2]]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
