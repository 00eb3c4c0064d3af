#!/usr/bin/env bash
# gepa: the adapter for whole DSPy programs runs the language of a ```python block as the first line of the program.
#
# Seen on 2026-12-01 with gepa 0.1.4, dspy 3.4.1, CPython 3.11.
# Expected: the reflection model writes a program in a block of code, with or without the name of its language, as
#           gepa's prompt for instructions takes it.
# Seen:     what is between the marks is the program, the language too. Its first line, `python`, raises NameError: the
#           proposal scores 0 on each example and is rejected, whatever it is. Of a model that names the language in
#           each block, as most do for code, no proposal is ever accepted. The log has the scores alone.
#
# Output seen:
#   block without a language: 1 proposal(s), best 1.0
#   block of python: 4 proposal(s), best 0.67, first line 'python', name 'python' is not defined
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
SEED = PROGRAM.replace("FOUND", 'capital = place.split(", ")[0]')
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


class Proposed:
    """The programs that gepa takes from the answers of the reflection model."""

    def __init__(self):
        self.programs = []

    def on_proposal_end(self, event):
        self.programs.append(event["new_instructions"]["program"])


seen = {}
for name, language in (("block without a language", ""), ("block of python", "python")):
    proposed = Proposed()

    def reflect(prompt, language=language):
        return f"```{language}{BETTER}```"

    lm = dspy.LM("openai/model", engine=Model(), cache=False)
    adapter = DspyAdapter(task_lm=lm, metric_fn=metric, reflection_lm=reflect, num_threads=1)
    with contextlib.redirect_stdout(io.StringIO()):
        result = gepa.optimize(
            seed_candidate={"program": SEED}, trainset=EXAMPLES, valset=EXAMPLES, adapter=adapter,
            reflection_minibatch_size=3, max_metric_calls=27, callbacks=[proposed],
            stop_callbacks=lambda state: len(state.program_candidates) > 1,
        )
    best = round(max(result.val_aggregate_scores), 2)
    program, error = adapter.build_program({"program": proposed.programs[0]})
    seen[name] = len(proposed.programs), best, program is not None
    problem = "" if program else f", first line {proposed.programs[0].splitlines()[0]!r}, "
    problem += "" if program else error.strip().splitlines()[-1].removeprefix("NameError: ")
    print(f"{name}: {len(proposed.programs)} proposal(s), best {best}{problem}")
assert seen["block without a language"] == (1, 1.0, True)
assert seen["block of python"] == (4, 0.67, False)
assert "name 'python' is not defined" in error
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
