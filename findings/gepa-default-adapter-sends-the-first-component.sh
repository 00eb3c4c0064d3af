#!/usr/bin/env bash
# gepa: without an adapter of one's own the first component of a candidate is sent, and all of them are optimized.
#
# Seen on 2026-11-30 with gepa 0.1.4, CPython 3.11.
# Expected: `seed_candidate` is a dict of component names and texts; what `gepa.optimize(task_lm=...)` optimizes is what
#           the task model gets, or more than one component is refused.
# Seen:     the default adapter sends `next(iter(candidate.values()))` as the system prompt. Each further component is
#           reflected on and proposed in its turn, by default every second iteration, and evaluated with a prompt that
#           has not changed: these proposals, their evaluations and reflections are wasted, and where answers vary, a
#           candidate is accepted by chance. The text of the second component never reaches a model.
#
# Output seen:
#   proposals by component: {'system_prompt': 3, 'answer_format': 3}
#   prompts with the text of system_prompt: 40 of 40, with that of answer_format: 0 of 40
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check gepa==0.1.4
cd "$folder"
cat >finding.py <<'PYTHON'
import gepa

prompts, proposals = [], {}


def task(messages):
    prompts.append(messages[0]["content"])
    return "I do not know."


class Counter:
    def on_proposal_end(self, event):
        for component in event["new_instructions"]:
            proposals[component] = proposals.get(component, 0) + 1


examples = [{"input": f"Question {number}", "answer": "yes", "additional_context": {}} for number in range(4)]
gepa.optimize(
    seed_candidate={"system_prompt": "SYSTEM", "answer_format": "FORMAT"}, trainset=examples, valset=examples,
    task_lm=task, reflection_lm=lambda prompt: f"```\n{'FORMAT' if 'FORMAT' in prompt else 'SYSTEM'}, new\n```",
    callbacks=[Counter()], max_metric_calls=36, logger=type("Quiet", (), {"log": lambda *_: None})(),
)
print(f"proposals by component: {proposals}")
system, form = (sum(text in prompt for prompt in prompts) for text in ("SYSTEM", "FORMAT"))
print(
    f"prompts with the text of system_prompt: {system} of {len(prompts)},"
    f" with that of answer_format: {form} of {len(prompts)}"
)
assert (proposals, system, form) == ({"system_prompt": 3, "answer_format": 3}, len(prompts), 0)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
