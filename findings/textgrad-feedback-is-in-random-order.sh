#!/usr/bin/env bash
# TextGrad: the feedback of a batch is in another order in each process, whatever is seeded.
#
# Seen on 2026-12-01 with textgrad 0.1.8, CPython 3.11.
# Expected: the same program with the same seeds and a model that always gives the same answers sends the optimizer the
#           same prompt.
# Seen:     gradients, and the steps that a step depends on, are sets of objects that are hashed by their address. The
#           feedback on the examples of a batch is sent in an order that differs from process to process, also with
#           PYTHONHASHSEED: an optimization cannot be repeated, and its prompts are not found in a cache.
#
# Output seen (the orders differ from run to run):
#   feedback on the examples, in 12 processes: 12 orders, as 0 6 5 3 2 7 4 1, 0 7 6 3 2 5 4 1, 1 6 4 2 5 0 3 7
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check textgrad==0.1.8
cd "$folder"
cat >finding.py <<'PYTHON'
import os
import random
import re
import subprocess
import sys

PROCESSES = 12

if len(sys.argv) == 1:
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-W", "ignore", __file__, "optimize"]
    orders = [
        subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()
        for _ in range(PROCESSES)
    ]
    distinct = sorted(set(orders))
    print(
        f"feedback on the examples, in {PROCESSES} processes: {len(distinct)} orders, as " + ", ".join(distinct[:3])
    )
    assert all(sorted(order.split()) == list("01234567") for order in orders)
    assert len(distinct) > 1
    sys.exit()

import textgrad
from textgrad.engine import EngineLM

random.seed(0)


class Model(EngineLM):
    """Always the same answer to a prompt."""

    model_string = "model"

    def generate(self, prompt, system_prompt=None, **_):
        if "<IMPROVED_VARIABLE>" in (system_prompt or ""):
            print(" ".join(re.findall(r"Feedback on example (\d)\.", prompt)))
            return "<IMPROVED_VARIABLE>Answer in one word.</IMPROVED_VARIABLE>"
        number = re.search(r"example (\d)", prompt)[1]
        return f"Feedback on example {number}." if "give feedback" in prompt else f"Answer to example {number}"

    __call__ = generate


model = Model()
textgrad.set_backward_engine(model)
instruction = textgrad.Variable("Answer.", role_description="system prompt")
program = textgrad.BlackboxLLM(model, system_prompt=instruction)
judge = textgrad.TextLoss("Is the answer right?", engine=model)
questions = [
    textgrad.Variable(f"example {number}", requires_grad=False, role_description="question") for number in range(8)
]
textgrad.sum([judge(program(question)) for question in questions]).backward()
textgrad.TGD(parameters=[instruction], engine=model).step()
PYTHON
"$folder/venv/bin/python" -W ignore finding.py 2>log || { cat log >&2; exit 1; }
