#!/usr/bin/env bash
# MLflow: mlflow.gemini.autolog leaves the tokens with which Gemini thinks out of the output tokens, and out of the cost.
#
# Seen on 2026-12-01 with mlflow 3.17.2, google-genai 2.25.0, CPython 3.11.
# Expected: Google bills the tokens of a model's thoughts as output tokens, and gives their number beside the one of the
#           answer's. A call of gemini-2.5-pro with 1000 tokens of prompt, 3000 of thoughts and 50 of answer costs
#           0.03175 dollars: 1000 of 1.25 and 3050 of 10 dollars a million.
# Seen:     MLflow takes `candidates_token_count`, the answer's tokens, for the output tokens, and never reads
#           `thoughts_token_count`. The call has 50 output tokens and a total of 4050, which is not their sum with the
#           1000 input tokens, and costs an eighteenth. This model thinks before each of its answers.
#
# Output seen:
#   tokens of the response: prompt 1000, thoughts 3000, answer 50, total 4050
#   tokens of the trace: input 1000, output 50, total 4050
#   cost of the trace: 0.00175, with the thoughts 0.03175
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2 google-genai==2.25.0
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true MLFLOW_MODEL_CATALOG_URI=
cat >finding.py <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import mlflow
from google import genai
from mlflow.tracing.utils import calculate_cost_by_model_and_token_usage

MODEL = "gemini-2.5-pro"
RESPONSE = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Oslo."}]}, "finishReason": "STOP", "index": 0}],
    "usageMetadata": {
        "promptTokenCount": 1000,
        "thoughtsTokenCount": 3000,
        "candidatesTokenCount": 50,
        "totalTokenCount": 4050,
    },
    "modelVersion": MODEL,
}


class Model(BaseHTTPRequestHandler):
    """Answers after it has thought."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        answer = json.dumps(RESPONSE).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
mlflow.set_tracking_uri("sqlite:///mlflow.db")
mlflow.set_experiment("finding")
mlflow.gemini.autolog()
client = genai.Client(api_key="none", http_options={"base_url": f"http://127.0.0.1:{server.server_port}"})
usage = client.models.generate_content(model=MODEL, contents="Where is sun?").usage_metadata
mlflow.flush_trace_async_logging()
(trace,) = mlflow.search_traces(return_type="list")
tokens = trace.info.token_usage
cost = trace.info.cost["total_cost"]
billed = {"input_tokens": 1000, "output_tokens": 3050, "total_tokens": 4050}
whole = calculate_cost_by_model_and_token_usage(MODEL, billed, "gemini")["total_cost"]
print(
    f"tokens of the response: prompt {usage.prompt_token_count}, thoughts {usage.thoughts_token_count}, "
    f"answer {usage.candidates_token_count}, total {usage.total_token_count}"
)
print("tokens of the trace: " + ", ".join(f"{kind.removesuffix('_tokens')} {count}" for kind, count in tokens.items()))
print(f"cost of the trace: {cost:.5f}, with the thoughts {whole:.5f}")
assert tokens == {"input_tokens": 1000, "output_tokens": 50, "total_tokens": 4050}
assert (round(cost, 5), round(whole, 5)) == (0.00175, 0.03175)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
