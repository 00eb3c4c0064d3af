"""A program that knows nothing of telemetry: a good compile, failing ones, calls with and without cost, hits, errors."""

from __future__ import annotations

import sys
import urllib.request
from contextlib import suppress

import dspy

from tests.support.addition_task import examples, half_right, raising_metric
from tests.support.dspy_answers import dspy_script
from tests.support.lm_server import Status, scripted_lm
from tests.support.optimizers import Breaking, Rounds

PRICED = "openai/gpt-4o-mini"
"""A model whose price is known."""

with scripted_lm(dspy_script({"answer": half_right})) as server:
    lm = dspy.LM(PRICED, api_base=server.api_base, api_key="none", cache=True, num_retries=0)
    dspy.configure(lm=lm)
    program = dspy.Predict("question -> answer")
    Rounds(raising_metric).compile(program, trainset=examples(2))
    with suppress(RuntimeError):
        Breaking(RuntimeError("no luck")).compile(program, trainset=examples(2))
    with suppress(Exception), dspy.context(max_errors=1):
        Rounds(raising_metric).compile(program, trainset=examples(1))
    for _ in range(2):
        program(question="3+3")
    unpriced = dspy.LM("openai/scripted", api_base=server.api_base, api_key="none", cache=False, num_retries=0)
    with dspy.context(lm=unpriced):
        Rounds(raising_metric).compile(program, trainset=examples(2))
    server.fail(Status(500), times=5)
    with suppress(Exception):
        program(question="4+4")
with urllib.request.urlopen(f"http://127.0.0.1:{sys.argv[1]}/metrics", timeout=120) as answer:
    sys.stdout.write(answer.read().decode())
