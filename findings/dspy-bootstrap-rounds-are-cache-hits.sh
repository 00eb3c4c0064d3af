#!/usr/bin/env bash
# DSPy: the further rounds of BootstrapFewShot ask nothing where the program has its model by set_lm.
#
# Seen on 2026-12-01 with dspy 3.4.1, CPython 3.11.
# Expected: with max_rounds=4 an example whose first answer is wrong is tried again up to three times, "to bypass
#           caches" with a fresh rollout and temperature=1.0, by whichever way the program got its model.
# Seen:     the fresh rollout is set on the configured model alone. A program with a model of its own sends the same
#           request again, which the cache answers: four attempts, one call, four times the same answer, and no demo.
#           The attempts are counted as such, and nothing is logged.
#
# Output seen:
#   configured model: 3 call(s), answers ['try 1', 'try 2', 'try 3'], 1 demo(s)
#   model by set_lm: 1 call(s), answers ['try 1', 'try 1', 'try 1', 'try 1'], 0 demo(s)
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
from dspy.lm15 import Message, Response, TextPart, Usage


calls = []


class Model:
    """Gives another answer each time."""

    def complete(self, request):
        calls.append(request)
        text = f"[[ ## answer ## ]]\ntry {len(calls)}\n\n[[ ## completed ## ]]"
        return Response(
            id="1", model="model", message=Message(role="assistant", parts=(TextPart(text=text),)),
            finish_reason="stop", usage=Usage(),
        )


TRAINSET = [dspy.Example(question="Which try is right?", answer="try 3").with_inputs("question")]
seen = {}
for way in ("configured model", "model by set_lm"):
    answers = []
    calls.clear()

    def metric(example, prediction, trace=None, answers=answers):
        answers.append(prediction.answer)
        return prediction.answer == example.answer

    lm = dspy.LM(f"openai/{way.split()[-1]}", engine=Model())
    program = dspy.Predict("question -> answer")
    if way == "model by set_lm":
        program.set_lm(lm)
        dspy.configure(lm=dspy.LM("openai/other", engine=Model()))
    else:
        dspy.configure(lm=lm)
    with contextlib.redirect_stdout(io.StringIO()):
        optimizer = dspy.BootstrapFewShot(metric=metric, max_rounds=4, max_labeled_demos=0)
        demos = optimizer.compile(program, trainset=TRAINSET).demos
    seen[way] = len(calls), answers, len(demos)
    print(f"{way}: {len(calls)} call(s), answers {answers}, {len(demos)} demo(s)")
assert seen["configured model"] == (3, ["try 1", "try 2", "try 3"], 1)
assert seen["model by set_lm"] == (1, ["try 1"] * 4, 0)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
