#!/usr/bin/env bash
# gepa: the adapter for whole DSPy programs takes a program that raises on an example for perfect, and improves nothing.
#
# Seen on 2026-12-01 with gepa 0.1.4, dspy 3.4.1, CPython 3.11.
# Expected: the adapter that evolves the code of a DSPy program shows the reflection model where the program fails. An
#           example on which it raises has failed, with the score 0.
# Seen:     the minibatch that is reflected on leaves such an example out, with its score. A program that is right on
#           two examples and raises on the third has two scores of 1.0: the minibatch is skipped as a perfect one, and
#           no program is proposed until the budget is spent, although the validation score is 0.67. One that returns a
#           wrong answer there is improved in the first iteration. `dspy.GEPA` counts the example with 0.
#
# Output seen:
#   returns a wrong answer: seed 0.67, 1 proposal(s), best 1.0
#   raises ValueError: seed 0.67, 0 proposal(s), best 0.67, 'all_scores_perfect' 8 time(s)
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check gepa==0.1.4 dspy==3.4.1
cd "$folder"
export DSPY_CACHEDIR="$folder/cache" LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import contextlib
import io

import dspy
import gepa
from dspy.lm15 import Message, Response, TextPart, Usage
from gepa.adapters.dspy_full_program_adapter.full_program_adapter import DspyAdapter

PROGRAM = """
import dspy


class Capital(dspy.Module):
    def __init__(self):
        super().__init__()
        self.find = dspy.Predict("country -> place")

    def forward(self, country):
        place = self.find(country=country).place
        FOUND
        return dspy.Prediction(capital=capital)


program = Capital()
"""
SEEDS = {
    "returns a wrong answer": PROGRAM.replace("FOUND", 'capital = place.split(", ")[0]'),
    "raises ValueError": PROGRAM.replace("FOUND", 'capital, _ = place.split(", ")'),
}
BETTER = PROGRAM.replace("FOUND", 'capital = place.split(", ")[0].replace("unknown", "Rome")')
PLACES = {"France": "Paris, France", "Peru": "Lima, Peru", "Italy": "unknown"}


class Model:
    def complete(self, request):
        asked = request.messages[-1].parts[0].text
        place = next(place for country, place in PLACES.items() if country in asked)
        text = f"[[ ## place ## ]]\n{place}\n\n[[ ## completed ## ]]"
        return Response(
            id="1", model="model", message=Message(role="assistant", parts=(TextPart(text=text),)),
            finish_reason="stop", usage=Usage(),
        )


EXAMPLES = [
    dspy.Example(country=country, capital=capital).with_inputs("country")
    for country, capital in (("France", "Paris"), ("Peru", "Lima"), ("Italy", "Rome"))
]


def metric(example, prediction, trace=None):
    return dspy.Prediction(score=float(prediction.capital == example.capital), feedback="")


class Skipped:
    def __init__(self):
        self.reasons = []

    def on_evaluation_skipped(self, event):
        self.reasons.append(event["reason"])


seen = {}
for name, seed in SEEDS.items():
    proposals, skipped = [], Skipped()

    def reflect(prompt, proposals=proposals):
        proposals.append(prompt)
        return f"```{BETTER}```"

    lm = dspy.LM("openai/model", engine=Model(), cache=False)
    adapter = DspyAdapter(task_lm=lm, metric_fn=metric, reflection_lm=reflect, num_threads=1)
    with contextlib.redirect_stdout(io.StringIO()):
        result = gepa.optimize(
            seed_candidate={"program": seed}, trainset=EXAMPLES, valset=EXAMPLES, adapter=adapter,
            reflection_minibatch_size=3, max_metric_calls=27, skip_perfect_score=True, callbacks=[skipped],
            stop_callbacks=lambda state: len(state.program_candidates) > 1,
        )
    first, best = round(result.val_aggregate_scores[0], 2), round(max(result.val_aggregate_scores), 2)
    seen[name] = first, len(proposals), best, skipped.reasons
    reasons = f", {skipped.reasons[0]!r} {len(skipped.reasons)} time(s)" if skipped.reasons else ""
    print(f"{name}: seed {first}, {len(proposals)} proposal(s), best {best}{reasons}")
assert seen["returns a wrong answer"] == (0.67, 1, 1.0, [])
assert seen["raises ValueError"] == (0.67, 0, 0.67, ["all_scores_perfect"] * 8)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
