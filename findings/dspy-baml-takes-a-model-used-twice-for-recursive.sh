#!/usr/bin/env bash
# DSPy: BAMLAdapter refuses a model that has two fields of one type: it takes it for a recursive one.
#
# Seen on 2026-11-29 with dspy 3.4.1, CPython 3.11.
# Expected: an order with a billing and a shipping address is no recursive type; JSONAdapter, of which BAMLAdapter is a
#           variant, asks for it.
# Seen:     models that have been described are remembered until the end of the output field, so that the second address
#           raises ValueError before a model is called.
#
# Output seen:
#   BAMLAdapter, one address: Person(home=Address(city='Paris')), 1 call
#   BAMLAdapter, two addresses: ValueError: BAMLAdapter cannot handle recursive pydantic models, 0 calls
#   JSONAdapter, two addresses: Order(billing=Address(city='Paris'), shipping=Address(city='Rome')), 1 call
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
import json

import dspy
from dspy.adapters.baml_adapter import BAMLAdapter
from dspy.utils import DummyLM
from pydantic import BaseModel


class Address(BaseModel):
    city: str


class Person(BaseModel):
    home: Address


class Order(BaseModel):
    billing: Address
    shipping: Address


def extract(model, value, adapter):
    signature = dspy.Signature({"text": (str, dspy.InputField()), "found": (model, dspy.OutputField())}, "Extract.")
    lm = DummyLM([{"found": json.dumps(value)}], adapter=dspy.JSONAdapter())
    try:
        with dspy.context(lm=lm, adapter=adapter):
            return f"{dspy.Predict(signature)(text='Paris and Rome').found!r}, {len(lm.history)} call"
    except ValueError as error:
        return f"ValueError: {str(error).split(',')[0]}, {len(lm.history)} calls"


person, order = {"home": {"city": "Paris"}}, {"billing": {"city": "Paris"}, "shipping": {"city": "Rome"}}
seen = {
    "BAMLAdapter, one address": extract(Person, person, BAMLAdapter()),
    "BAMLAdapter, two addresses": extract(Order, order, BAMLAdapter()),
    "JSONAdapter, two addresses": extract(Order, order, dspy.JSONAdapter()),
}
for name, outcome in seen.items():
    print(f"{name}: {outcome}")
assert seen["BAMLAdapter, two addresses"].startswith("ValueError: BAMLAdapter cannot handle recursive")
assert all(text.endswith("1 call") for name, text in seen.items() if name != "BAMLAdapter, two addresses")
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
