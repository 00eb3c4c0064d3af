#!/usr/bin/env bash
# MLflow: the trace of an agent of smolagents has no call of a model, no step, no tokens and no cost.
#
# Seen on 2026-12-01 with mlflow 3.17.2, smolagents 1.26.0, openai 2.47.0, CPython 3.11. MLflow supports smolagents 1.23.0
#           to 1.26.0.
# Expected: `mlflow.smolagents.autolog()` records the agent, its steps, the calls of its model with their tokens, and its
#           tools: it patches each of them.
# Seen:     it patches `Model.__call__`, and the `step` of the two kinds of agents. Agents of smolagents call
#           `model.generate` and `_step_stream`, so that these patches are never reached: the trace has the agent and
#           its tools, and neither tokens nor cost. smolagents itself counts the tokens, in `agent.monitor`.
#
# Output seen:
#   requests to the model: 2, with 2200 input and 40 output tokens by smolagents
#   spans: AGENT ToolCallingAgent.run, TOOL SimpleTool.__call__, TOOL FinalAnswerTool.__call__
#   tokens of the trace: None, cost: None
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2 smolagents==1.26.0 openai==2.47.0
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_MODEL_CATALOG_URI=
cat >finding.py <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import mlflow
from smolagents import OpenAIModel, ToolCallingAgent, tool

CALLS = (("weather", {"city": "Paris"}), ("final_answer", {"answer": "sun"}))
USAGES = ((1000, 20), (1200, 20))
requests = []


class Model(BaseHTTPRequestHandler):
    """Asks for the weather, then gives the answer."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        name, arguments = CALLS[len(requests)]
        inputs, outputs = USAGES[len(requests)]
        requests.append(name)
        function = {"name": name, "arguments": json.dumps(arguments)}
        calls = [{"id": f"call-{len(requests)}", "type": "function", "function": function}]
        message = {"role": "assistant", "content": None, "tool_calls": calls}
        answer = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-4.1",
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
            "usage": {"prompt_tokens": inputs, "completion_tokens": outputs, "total_tokens": inputs + outputs},
        }
        text = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


@tool
def weather(city: str) -> str:
    """Weather of a city.

    Args:
        city: Name of the city.
    """
    return "sun"


server = HTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.set_experiment("finding")
mlflow.smolagents.autolog()
model = OpenAIModel("gpt-4.1", api_base=f"http://127.0.0.1:{server.server_port}/v1", api_key="none")
agent = ToolCallingAgent(tools=[weather], model=model, verbosity_level=0)
assert agent.run("What is the weather in Paris?") == "sun"
counted = agent.monitor.get_total_token_counts()
mlflow.flush_trace_async_logging()
(trace,) = mlflow.search_traces(return_type="list")
spans = [f"{span.span_type} {span.name}" for span in trace.data.spans]
print(
    f"requests to the model: {len(requests)}, with {counted.input_tokens} input and {counted.output_tokens} output "
    "tokens by smolagents"
)
print("spans: " + ", ".join(spans))
print(f"tokens of the trace: {trace.info.token_usage}, cost: {trace.info.cost}")
assert (len(requests), counted.input_tokens, counted.output_tokens) == (2, 2200, 40)
assert spans == ["AGENT ToolCallingAgent.run", "TOOL SimpleTool.__call__", "TOOL FinalAnswerTool.__call__"]
assert trace.info.token_usage is None
assert trace.info.cost is None
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
