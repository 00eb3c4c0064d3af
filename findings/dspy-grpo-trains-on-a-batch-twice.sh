#!/usr/bin/env bash
# DSPy: each epoch of GRPO has one step too many, whose examples are trained on again.
#
# Seen on 2026-12-01 with dspy 3.4.1, CPython 3.11.
# Expected: eight examples, four a step, are two steps: each example is trained on once in an epoch. Where the number of
#           examples is no multiple of four, the last step is filled up.
# Seen:     what is missing to a multiple is computed as four where nothing is missing: each epoch has a third step, of
#           examples of the first two. With one example a step, the default, one example of each epoch is trained on
#           twice. With six examples, of which two are missing, the epoch has the right length.
#
# Output seen:
#   8 examples, 4 a step: 3 steps in an epoch, of 12 examples, 4 of them twice
#   4 examples, 1 a step: 5 steps in an epoch, of 5 examples, 1 of them twice
#   6 examples, 4 a step: 2 steps in an epoch, of 8 examples, 2 of them twice
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
from collections import Counter

import dspy
from dspy.clients.provider import Provider, ReinforceJob
from dspy.lm15 import Message, Response, TextPart, Usage
from dspy.teleprompt.grpo import GRPO


class Job(ReinforceJob):
    """Takes each batch at once."""

    def initialize(self):
        self.batches = 0

    def step(self, train_data, train_data_format=None):
        self.batches += 1

    def get_status(self):
        return {"pending_batch_ids": list(range(self.batches + 1))}

    def terminate(self):
        pass

    def save_checkpoint(self, checkpoint_name):
        pass

    def update_model(self):
        pass


class Trainer(Provider):
    def __init__(self):
        super().__init__()
        self.reinforceable = True
        self.ReinforceJob = Job


class Model:
    def complete(self, request):
        text = "[[ ## answer ## ]]\nyes\n\n[[ ## completed ## ]]"
        return Response(
            id="1", model="model", message=Message(role="assistant", parts=(TextPart(text=text),)),
            finish_reason="stop", usage=Usage(),
        )


def first_epoch(count, a_step):
    """The examples of each step, up to the first one of the second epoch."""
    asked = []

    def metric(example, prediction, trace=None):
        asked.append(example.question)
        return 1.0

    lm = dspy.LM("openai/model", engine=Model(), cache=False, provider=Trainer())
    program = dspy.Predict("question -> answer")
    program.set_lm(lm)
    trainset = [dspy.Example(question=str(number)).with_inputs("question") for number in range(count)]
    optimizer = GRPO(
        metric=metric, exclude_demos=True, num_threads=1, num_train_steps=7, num_dspy_examples_per_grpo_step=a_step,
        num_rollouts_per_grpo_step=1, adapter=dspy.ChatAdapter(),
    )
    epochs = []
    update = optimizer.update_shuffled_trainset

    def updating(trainset):
        epochs.append(len(asked))
        update(trainset)

    optimizer.update_shuffled_trainset = updating
    with dspy.context(lm=lm), contextlib.redirect_stdout(io.StringIO()):
        optimizer.compile(program, trainset=trainset)
    return asked[: epochs[1]]


seen = []
for count, a_step in ((8, 4), (4, 1), (6, 4)):
    examples = first_epoch(count, a_step)
    twice = sum(times == 2 for times in Counter(examples).values())
    seen.append((len(examples) // a_step, len(examples), twice))
    steps, total, twice = seen[-1]
    print(f"{count} examples, {a_step} a step: {steps} steps in an epoch, of {total} examples, {twice} of them twice")
assert seen == [(3, 12, 4), (5, 5, 1), (2, 8, 2)]
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
