#!/usr/bin/env bash
# gepa: the model that improves a candidate of optimize_anything is not shown a score.
#
# Seen on 2026-11-30 with gepa 0.1.4, CPython 3.11.
# Expected: an evaluator returns `(score, side_info)` or `score`, and both are what the reflection model works from. Its
#           prompt asks for failure patterns "in the evaluation data".
# Seen:     `make_reflective_dataset` of OptimizeAnythingAdapter takes the scores and leaves them out. With the evaluator
#           of the documentation, `return score, {"Input": ..., "Output": ...}`, a wrong answer looks like a right one;
#           with one that returns the score alone the evaluation results are an empty "# Example 1". Only scores that
#           are in the side information once more, under "scores", are shown. The default adapter of `gepa.optimize` says
#           of each answer whether it is right.
#
# Output seen:
#   score, side information: '# Example 1 ## Input 1+1 ## Output 3 # Example 2 ## Input 2+2 ## Output 4'
#   score alone: '# Example 1 # Example 2'
#   scores in the side information: '# Example 1 ## Scores (Higher is Better) ### right 0.0 # Example 2 ## Scores (Higher is Better) ### right 1.0'
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
import re

from gepa.optimize_anything import EngineConfig, GEPAConfig, ReflectionConfig, optimize_anything

ANSWERS = {"1+1": ("3", 0.0), "2+2": ("4", 1.0)}


def documented(candidate, example):
    output, score = ANSWERS[example]
    return score, {"Input": example, "Output": output}


def alone(candidate, example):
    return ANSWERS[example][1]


def repeated(candidate, example):
    score = ANSWERS[example][1]
    return score, {"scores": {"right": score}}


EVALUATORS = {
    "score, side information": documented, "score alone": alone, "scores in the side information": repeated,
}
seen = {}
for name, evaluator in EVALUATORS.items():
    prompts = []

    def reflect(prompt):
        prompts.append(prompt)
        return "```\na proposal\n```"

    config = GEPAConfig(
        engine=EngineConfig(max_metric_calls=6, parallel=False),
        reflection=ReflectionConfig(reflection_lm=reflect, reflection_minibatch_size=2, batch_sampler="epoch_shuffled"),
    )
    with contextlib.redirect_stdout(io.StringIO()):
        optimize_anything(
            seed_candidate="a draft", evaluator=evaluator, dataset=list(ANSWERS), objective="Right sums.", config=config
        )
    shown = re.search(r"## Evaluation Results.*?```\n(.*?)\n```", prompts[0], re.DOTALL).group(1)
    examples = re.split(r"(?=^# Example \d)", shown, flags=re.MULTILINE)
    # The order of a minibatch is drawn.
    bodies = sorted(" ".join(one.split()[3:]) for one in examples if one.strip())
    seen[name] = " ".join(f"# Example {number} {body}".strip() for number, body in enumerate(bodies, 1))
    print(f"{name}: {seen[name]!r}")
assert seen["score alone"] == "# Example 1 # Example 2"
assert not re.search(r"[Ss]core|0\.0|1\.0", seen["score, side information"])
assert "right 0.0" in seen["scores in the side information"]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
