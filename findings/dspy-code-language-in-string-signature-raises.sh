#!/usr/bin/env bash
# DSPy: the language of dspy.Code, `dspy.Code["python"]`, works in a class of a signature and raises in a string of one.
#
# Seen on 2026-11-30 with dspy 3.4.1, CPython 3.11.
# Expected: "question -> answer: dspy.Code['python']" has the same output as the class, as with list[str] or Literal['a'].
# Seen:     the signature is built, with the type Code_('python',): the language is a tuple. Each call of the program raises
#           AttributeError before its model is asked, with a message that names neither the field nor the type.
#
# Output seen:
#   class: <class 'dspy.adapters.types.code.Code_python'> 1 + 1
#   string, dspy.Code: <class 'dspy.adapters.types.code.Code'> 1 + 1
#   string, dspy.Code['python']: <class "dspy.adapters.types.code.Code_('python',)"> AttributeError: 'tuple' object has no attribute 'lower'
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
from dspy.utils import DummyLM


class Program(dspy.Signature):
    """Write code."""

    question: str = dspy.InputField()
    answer: dspy.Code["python"] = dspy.OutputField()


def outcome(name: str, signature: type[dspy.Signature]) -> str:
    kind = signature.output_fields["answer"].annotation
    try:
        with dspy.context(lm=DummyLM([{"answer": "```python\n1 + 1\n```"}])):
            result = dspy.Predict(signature)(question="2?").answer.code
    except AttributeError as error:
        result = f"AttributeError: {error}"
    print(f"{name}: {kind} {result}")
    return result


assert outcome("class", Program) == "1 + 1"
assert outcome("string, dspy.Code", dspy.Signature("question -> answer: dspy.Code")) == "1 + 1"
text = "question -> answer: dspy.Code['python']"
assert outcome("string, dspy.Code['python']", dspy.Signature(text)) == "AttributeError: 'tuple' object has no attribute 'lower'"
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
