#!/usr/bin/env bash
# MLflow: the exact match of `ToolCallCorrectness` does not count calls, and compares all arguments or none.
#
# Seen on 2026-12-01 with mlflow 3.17.2, CPython 3.11.
# Expected: with `should_exact_match=True` an agent that searches once and pays twice does not match one search more
#           and one payment less; "partial" expectations leave out the arguments of the call that has none; and an
#           example in which no tool is to be called is one with an empty list.
# Seen:     where the order does not count, which is the default, both lists are made sets, and only their lengths are
#           compared besides: two payments match one. As soon as one expected call has no arguments, the arguments of no
#           call are compared: a payment of 900 matches one of 9. An empty list counts as no expectation at all: instead
#           of "yes" or "no" the scorer raises that `should_exact_match` requires expectations.
#
# Output seen:
#   called pay 9, pay 9, search; expected pay 9, search, search: yes
#   called pay 900; expected pay 9: no
#   called pay 900, search; expected pay 9, search without arguments: yes
#   called nothing; expected nothing: MlflowException
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true
unset OPENAI_API_KEY
cat >finding.py <<'PYTHON'
import mlflow
from mlflow.exceptions import MlflowException
from mlflow.genai.scorers import ToolCallCorrectness

SEARCH = {"name": "search", "arguments": {"query": "invoice"}}


def pay(amount):
    return {"name": "pay", "arguments": {"amount": amount}}


def text(calls):
    """Return the calls in words."""
    words = {
        "search": lambda call: "search" if "arguments" in call else "search without arguments",
        "pay": lambda call: f"pay {call['arguments']['amount']}",
    }
    return ", ".join(words[call["name"]](call) for call in calls) or "nothing"


def verdict(called, expected):
    with mlflow.start_span("agent") as root:
        for call in called:
            with mlflow.start_span(call["name"], span_type="TOOL") as span:
                span.set_inputs(call["arguments"])
    mlflow.flush_trace_async_logging()
    trace = mlflow.get_trace(root.trace_id)
    scorer = ToolCallCorrectness(should_exact_match=True)
    try:
        found = str(scorer(trace=trace, expectations={"expected_tool_calls": expected}).value)
    except MlflowException as error:
        found = type(error).__name__
    print(f"called {text(called)}; expected {text(expected)}: {found}")
    return found


mlflow.set_tracking_uri("sqlite:///mlflow.db")
assert verdict([pay(9), pay(9), SEARCH], [pay(9), SEARCH, SEARCH]) == "yes"
assert verdict([pay(900)], [pay(9)]) == "no"
assert verdict([pay(900), SEARCH], [pay(9), {"name": "search"}]) == "yes"
assert verdict([], []) == "MlflowException"
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
