#!/usr/bin/env bash
# DSPy: InferRules induces the rules of an inner step from examples without an answer.
#
# Seen on 2026-12-01 with dspy 3.4.1, CPython 3.11.
# Expected: rules of a step are induced from examples of that step. The bootstrap that InferRules runs first has some,
#           with the queries that led to right answers, and gives them to the step as demos.
# Seen:     the examples are the program's: of these the fields are shown that the step has too. A step that writes a
#           query from the question is shown questions and nothing else, and the rules that the model makes up about
#           queries it has not seen are a part of each candidate.
#
# Output seen:
#   demos of the step: [('Who wrote Emma?', 'Emma author'), ('Who wrote Ulysses?', 'Ulysses author')]
#   shown for its rules:
#     Input Fields:
#     question: Who wrote Emma?
#
#     =========
#     Output Fields:
#
#
#     Input Fields:
#     question: Who wrote Ulysses?
#
#     =========
#     Output Fields:
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

inductions = []


class Model:
    def complete(self, request):
        asked = request.messages[-1].parts[0].text
        if "[[ ## examples_text ## ]]" in asked:
            inductions.append(asked.split("[[ ## examples_text ## ]]\n")[1].split("\n\nRespond with")[0])
            text = "[[ ## reasoning ## ]]\nNone.\n\n[[ ## natural_language_rules ## ]]\nBe brief."
        elif "starting with the field `[[ ## query ## ]]`" in asked:
            title = asked.split("wrote ")[-1].split("?")[0]
            text = f"[[ ## query ## ]]\n{title} author"
        else:
            text = "[[ ## answer ## ]]\nright"
        return Response(
            id="1", model="model", message=Message(role="assistant", parts=(TextPart(text=text),)),
            finish_reason="stop", usage=Usage(),
        )


class Search(dspy.Module):
    def __init__(self):
        super().__init__()
        self.write_query = dspy.Predict("question -> query")
        self.answer = dspy.Predict("question, passages -> answer")

    def forward(self, question):
        query = self.write_query(question=question).query
        return self.answer(question=question, passages=f"passages about {query}")


TITLES = ("Emma", "Ulysses", "Dracula", "Faust")
TRAINSET = [dspy.Example(question=f"Who wrote {title}?", answer="right").with_inputs("question") for title in TITLES]


def metric(example, prediction, trace=None):
    return prediction.answer == example.answer


dspy.configure(lm=dspy.LM("openai/model", engine=Model(), cache=False))
with contextlib.redirect_stdout(io.StringIO()):
    optimizer = dspy.InferRules(metric=metric, num_candidates=1, num_threads=1, max_labeled_demos=0)
    program = optimizer.compile(Search(), trainset=TRAINSET)
demos = [(demo.question, demo.query) for demo in program.write_query.demos]
print(f"demos of the step: {demos}")
print("shown for its rules:")
print("\n".join(f"  {line}".rstrip() for line in inductions[0].splitlines()).rstrip())
assert demos == [("Who wrote Emma?", "Emma author"), ("Who wrote Ulysses?", "Ulysses author")]
assert inductions[0].count("question: Who wrote") == 2
assert "author" not in inductions[0]
assert program.write_query.signature.instructions.endswith("Be brief.")
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
