#!/usr/bin/env bash
# DSPy: an output of type `str | None` is the text 'None' where the model answers None.
#
# Seen on 2026-11-30 with dspy 3.4.1, CPython 3.11.
# Expected: the prompt asks for "a valid Python Union[str, NoneType]", and a model that finds nothing answers None.
#           The prediction then has None, as it has for `int | None`, and as a label has for such an example.
# Seen:     with the chat adapter, the default, and with the XML adapter the answer is kept as text. It is true, so
#           `if prediction.name:` takes it for a name, and it differs from the label None: such examples score 0, and
#           optimizers search for prompts that avoid the right answer. With the JSON adapter, whose answers have a
#           null, it is None.
#
# Output seen:
#   ChatAdapter: str | None -> 'None', int | None -> None
#   XMLAdapter: str | None -> 'None', int | None -> None
#   JSONAdapter: str | None -> None, int | None -> None
#   score of the right answer: 0.0 with ChatAdapter, 100.0 with JSONAdapter
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


class Name(dspy.Signature):
    """Find the name of the sender."""

    mail: str = dspy.InputField()
    found: str | None = dspy.OutputField()


class Age(dspy.Signature):
    """Find the age of the sender."""

    mail: str = dspy.InputField()
    found: int | None = dspy.OutputField()


def same(example, prediction, trace=None):
    return example.found == prediction.found


def nothing(adapter):
    """A model that finds nothing, in the adapter's format: None in Python, null in JSON."""
    return DummyLM([{"found": None}] * 2, adapter=adapter)


def found(adapter, signature):
    with dspy.context(lm=nothing(adapter), adapter=adapter):
        return dspy.Predict(signature)(mail="Hello!").found


def score(adapter):
    devset = [dspy.Example(mail="Hello!", found=None).with_inputs("mail")]
    with dspy.context(lm=nothing(adapter), adapter=adapter):
        return dspy.Evaluate(devset=devset, metric=same, num_threads=1)(dspy.Predict(Name)).score


for adapter, text in ((dspy.ChatAdapter(), "None"), (dspy.XMLAdapter(), "None"), (dspy.JSONAdapter(), None)):
    name, age = found(adapter, Name), found(adapter, Age)
    print(f"{type(adapter).__name__}: str | None -> {name!r}, int | None -> {age!r}")
    assert (name, age) == (text, None)
scores = score(dspy.ChatAdapter()), score(dspy.JSONAdapter())
print(f"score of the right answer: {scores[0]} with ChatAdapter, {scores[1]} with JSONAdapter")
assert scores == (0.0, 100.0)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
