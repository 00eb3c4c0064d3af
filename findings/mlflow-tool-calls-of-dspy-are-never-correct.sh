#!/usr/bin/env bash
# MLflow: `ToolCallCorrectness` finds no tool call of a DSPy agent correct: MLflow traces `search` as `Tool.search`.
#
# Seen on 2026-12-01 with mlflow 3.17.2 and dspy 3.4.1, CPython 3.11.
# Expected: with `mlflow.dspy.autolog()` a call of the tool `search` is the expected call `{"name": "search"}`.
# Seen:     the scorer takes the name of the span for that of the tool. MLflow's autologging of DSPy names it
#           `Tool.search`, and has the tool's own name in the attribute `name`, which the scorer does not read. With
#           `should_exact_match=True` each row fails, unless `Tool.search` is expected, and without it the judge is asked
#           to compare two lists that share no name. A span that follows the GenAI conventions, `execute_tool search`
#           with `gen_ai.tool.name`, fails in the same way.
#
# Output seen:
#   traced by autolog as Tool.search, name search, arguments {'query': 'Paris'}
#     expected search: no
#     expected Tool.search: yes
#   traced by the conventions as execute_tool search, gen_ai.tool.name search, arguments {'query': 'Paris'}
#     expected search: no
#     expected execute_tool search: yes
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2 dspy==3.4.1
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true
unset OPENAI_API_KEY
cat >finding.py <<'PYTHON'
import dspy
import mlflow
from dspy.utils import DummyLM
from mlflow.genai.scorers import ToolCallCorrectness

ANSWERS = (
    {"next_thought": "I search.", "next_tool_name": "search", "next_tool_args": '{"query": "Paris"}'},
    {"next_thought": "I know.", "next_tool_name": "finish", "next_tool_args": "{}"},
    {"reasoning": "It is known.", "answer": "France"},
)


def search(query: str) -> str:
    """Search."""
    return f"{query} is in France."


def by_autolog():
    mlflow.dspy.autolog()
    with dspy.context(lm=DummyLM(list(ANSWERS))):
        assert dspy.ReAct("question -> answer", tools=[search])(question="Where is Paris?").answer == "France"
    mlflow.dspy.autolog(disable=True)


def by_the_conventions():
    with mlflow.start_span("invoke_agent"):
        with mlflow.start_span("execute_tool search", span_type="TOOL") as span:
            span.set_attributes({"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"})
            span.set_inputs({"query": "Paris"})
            span.set_outputs(search("Paris"))


def verdicts(trace_it, attribute):
    """Return what the scorer makes of the one call, by the expected name."""
    trace_it()
    mlflow.flush_trace_async_logging()
    (trace,) = mlflow.search_traces(return_type="list", max_results=1)
    (span,) = trace.search_spans(span_type="TOOL")
    print(
        f"traced {trace_it.__name__.replace('_', ' ')} as {span.name}, {attribute} {span.attributes[attribute]}, "
        f"arguments {span.inputs}"
    )
    found = {}
    for name in ("search", span.name):
        expected = {"expected_tool_calls": [{"name": name, "arguments": {"query": "Paris"}}]}
        verdict = ToolCallCorrectness(should_exact_match=True)(trace=trace, expectations=expected)
        found[name] = str(verdict.value)
        print(f"  expected {name}: {found[name]}")
    return found


mlflow.set_tracking_uri("sqlite:///mlflow.db")
assert verdicts(by_autolog, "name") == {"search": "no", "Tool.search": "yes"}
assert verdicts(by_the_conventions, "gen_ai.tool.name") == {"search": "no", "execute_tool search": "yes"}
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
