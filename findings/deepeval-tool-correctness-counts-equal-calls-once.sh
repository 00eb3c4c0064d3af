#!/usr/bin/env bash
# DeepEval: ToolCorrectnessMetric scores 0.5 where a tool is expected twice and called twice.
#
# Seen on 2026-12-01 with deepeval 4.3.1, CPython 3.11.
# Expected: a test case whose calls are the expected ones scores 1.0, as it does with should_exact_match or
#           should_consider_ordering.
# Seen:     the default comparison keeps the calls that it has matched in a set, in which two equal calls are one: the
#           second call of the same tool with the same arguments is not found. An agent that turns two pages, as it
#           should, scores 0.5, and one that turns ten pages 0.1, with the reason "missing tools []".
#
# Output seen:
#   default: 0.5, Incomplete tool usage: missing tools []
#   should_consider_ordering: 1.0
#   should_exact_match: 1.0
#   default, two calls with different arguments: 1.0
#   default, ten equal calls: 0.1
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check deepeval==4.3.1
cd "$folder"
export DEEPEVAL_TELEMETRY_OPT_OUT=YES
cat >finding.py <<'PYTHON'
from deepeval.metrics import ToolCorrectnessMetric
from deepeval.models import DeepEvalBaseLLM
from deepeval.test_case import LLMTestCase, ToolCall


class NoModel(DeepEvalBaseLLM):
    """Is not asked: without `available_tools` the score is computed."""

    def load_model(self):
        return self

    def generate(self, *_, **__):
        raise AssertionError("no model is needed")

    async def a_generate(self, *_, **__):
        raise AssertionError("no model is needed")

    def get_model_name(self):
        return "none"


def pages(count):
    return [ToolCall(name="next_page") for _ in range(count)]


def searches():
    return [ToolCall(name="search", input_parameters={"query": query}) for query in ("rain", "snow")]


def measured(called, expected, **settings):
    case = LLMTestCase(input="Read on.", actual_output="Done.", tools_called=called, expected_tools=expected)
    metric = ToolCorrectnessMetric(model=NoModel(), async_mode=False, **settings)
    return metric.measure(case, _show_indicator=False), metric.reason


score, reason = measured(pages(2), pages(2))
problem = reason.split("Tool Calling Reason: ")[1].split(";")[0]
print(f"default: {score}, {problem}")
assert (score, problem) == (0.5, "Incomplete tool usage: missing tools []")
for setting in ("should_consider_ordering", "should_exact_match"):
    score, _ = measured(pages(2), pages(2), **{setting: True})
    print(f"{setting}: {score}")
    assert score == 1.0
score, _ = measured(searches(), searches())
print(f"default, two calls with different arguments: {score}")
assert score == 1.0
score, _ = measured(pages(10), pages(10))
print(f"default, ten equal calls: {score}")
assert score == 0.1
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
