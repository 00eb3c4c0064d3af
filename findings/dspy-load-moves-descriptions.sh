#!/usr/bin/env bash
# DSPy: a saved program that is loaded after a field was added has its descriptions on the wrong fields.
#
# Seen on 2026-11-29 with dspy 3.4.1, CPython 3.11.
# Expected: program.load("program.json") gives each field its saved description by its name, or refuses a signature with
#           other fields.
# Seen:     the file has descriptions and prefixes without names, and they are given out by position. An input `language`
#           between `question` and `answer` gets the description of the answer, the model reads it in each prompt, and
#           nothing is logged. So it is with fields in another order: each has the other one's description.
#
# Output seen:
#   saved: question: 'what the customer asks', answer: 'at most ten words'
#   one field more: question: 'what the customer asks', language: 'at most ten words', answer: 'at most ten words'
#   in its prompt: 2. `language` (str): at most ten words
#   another order: tone: 'at most ten words', answer: 'formal or friendly'
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
import dspy

QUESTION = (str, dspy.InputField(desc="what the customer asks"))
LANGUAGE = (str, dspy.InputField(desc="ISO code of the answer's language"))
ANSWER = (str, dspy.OutputField(desc="at most ten words"))
TONE = (str, dspy.OutputField(desc="formal or friendly"))


def program(**fields):
    return dspy.Predict(dspy.Signature(fields, "Answer the customer."))


def descriptions(predictor):
    return {name: field.json_schema_extra["desc"] for name, field in predictor.signature.fields.items()}


def text(found):
    return ", ".join(f"{name}: {description!r}" for name, description in found.items())


saved = program(question=QUESTION, answer=ANSWER)
saved.save("program.json")
print(f"saved: {text(descriptions(saved))}")
longer = program(question=QUESTION, language=LANGUAGE, answer=ANSWER)
longer.load("program.json")
print(f"one field more: {text(descriptions(longer))}")
inputs = {"question": "When do you open?", "language": "de"}
prompt = dspy.ChatAdapter().format(longer.signature, [], inputs)[0]["content"]
(line,) = (line for line in prompt.splitlines() if line.startswith("2. `language`"))
print(f"in its prompt: {line}")
program(question=QUESTION, answer=ANSWER, tone=TONE).save("program.json")
turned = program(question=QUESTION, tone=TONE, answer=ANSWER)
turned.load("program.json")
found = descriptions(turned)
print(f"another order: tone: {found['tone']!r}, answer: {found['answer']!r}")
assert descriptions(longer)["language"] == "at most ten words" and "at most ten words" in line
assert (found["tone"], found["answer"]) == ("at most ten words", "formal or friendly")
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
