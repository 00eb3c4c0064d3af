#!/usr/bin/env bash
# DSPy: InferRules returns the rules of its last candidate, whichever scored best, and writes them into the given program.
#
# Seen on 2026-11-29 with dspy 3.4.1, CPython 3.11.
# Expected: of three candidates with the scores 0, 100 and 0 the second one is returned, and neither the program that was
#           given nor another program of the same signature is changed, as with DSPy's other optimizers.
# Seen:     a copy of a program shares its signature's class, and each candidate sets the instructions of that class. The
#           program that is returned as the best one has the rules that were induced last, and so have the given program
#           and each other program of that signature in the process.
#
# Output seen:
#   scores of the candidates: [0.0, 100.0, 0.0]
#   score of the returned program: 0.0
#   rules in the returned program: rule 3
#   rules in the given program: rule 3
#   rules in a program that was not given: rule 3
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
import itertools

import dspy
from dspy.lm15 import Message, Response, TextPart, Usage
from dspy.teleprompt import InferRules

scores = []
numbers = itertools.count(1)


class Engine:
    """Induces rule 1, rule 2, rule 3."""

    def complete(self, request):
        text = f"[[ ## reasoning ## ]]\nexamples\n\n[[ ## natural_language_rules ## ]]\nrule {next(numbers)}"
        message = Message(role="assistant", parts=(TextPart(text=text),))
        return Response(id="1", model="model", message=message, finish_reason="stop", usage=Usage())


class Task(dspy.Signature):
    """Answer yes or no."""

    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


class Program(dspy.Module):
    """Right if it has rule 2. It asks no model, so that nothing but its instructions decides."""

    def __init__(self):
        super().__init__()
        self.step = dspy.Predict(Task)

    def forward(self, question):
        return dspy.Prediction(answer="yes" if "rule 2" in self.step.signature.instructions else "no")


class Observed(InferRules):
    def evaluate_program(self, program, dataset):
        scores.append(super().evaluate_program(program, dataset))
        return scores[-1]


def metric(example, prediction, trace=None):
    return example.answer == prediction.answer


def rules(program):
    return program.step.signature.instructions.splitlines()[-1]


dspy.configure(lm=dspy.LM("openai/model", engine=Engine(), cache=False))
examples = [dspy.Example(question=f"question {number}", answer="yes").with_inputs("question") for number in range(4)]
given, other = Program(), Program()
optimizer = Observed(num_candidates=3, num_threads=1, metric=metric)
with contextlib.redirect_stdout(io.StringIO()):
    best = optimizer.compile(given, trainset=examples[:2], valset=examples[2:])
score = dspy.Evaluate(devset=examples[2:], metric=metric, num_threads=1, display_progress=False)(best).score
print(f"scores of the candidates: {scores}")
print(f"score of the returned program: {score}")
print(f"rules in the returned program: {rules(best)}")
print(f"rules in the given program: {rules(given)}")
print(f"rules in a program that was not given: {rules(other)}")
assert scores == [0.0, 100.0, 0.0] and score == 0.0
assert rules(best) == rules(given) == rules(other) == "rule 3"
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
