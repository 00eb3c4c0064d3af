#!/usr/bin/env bash
# DSPy: n=2 sends a temperature to gpt-5, which OpenAI's reasoning models reject.
#
# Seen on 2026-12-01 with dspy 3.4.1, CPython 3.11.
# Expected: `dspy.LM("openai/gpt-5")` sends no temperature. DSPy itself refuses one: "OpenAI's reasoning models require
#           passing temperature=1.0 or None".
# Seen:     a predictor with n > 1, as for `dspy.majority`, sets a temperature of 0.7 where the model has none,
#           whichever model it is. DSPy's own engine sends it, and OpenAI answers with status 400; with LiteLLM's engine
#           the call raises before it is sent. COPRO, which proposes with a temperature of 1.4, cannot use such a model
#           either.
#
# Output seen:
#   dspy.LM("openai/gpt-5", temperature=0.7): LMConfigurationError
#   n=1, sent: {'model': 'gpt-5'}
#   n=2, sent: {'model': 'gpt-5', 'temperature': 0.7}
#   n=2, engine="litellm": LMUnsupportedFeatureError, nothing sent
#   COPRO, sent: {'model': 'gpt-5', 'temperature': 1.4}
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
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dspy

bodies = []


class Server(BaseHTTPRequestHandler):
    """Keeps the settings of each request."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        bodies.append({name: value for name, value in body.items() if name != "messages"})
        fields = ("answer", "proposed_instruction", "proposed_prefix_for_output_field")
        content = "\n".join(f"[[ ## {name} ## ]]\nAnswer." for name in fields)
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        answer = {"id": "1", "object": "chat.completion", "created": 1, "model": "gpt-5", "choices": [choice]}
        encoded = json.dumps(answer | {"usage": usage}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()


def gpt_5(**settings):
    address = f"http://127.0.0.1:{server.server_port}/v1"
    return dspy.LM("openai/gpt-5", api_base=address, api_key="key", cache=False, **settings)


try:
    gpt_5(temperature=0.7)
except dspy.LMConfigurationError as error:
    print(f'dspy.LM("openai/gpt-5", temperature=0.7): {type(error).__name__}')
else:
    raise SystemExit("a temperature is accepted")
for n, expected in ((1, {"model": "gpt-5"}), (2, {"model": "gpt-5", "temperature": 0.7})):
    bodies.clear()
    with dspy.context(lm=gpt_5()):
        dspy.Predict("question -> answer", n=n)(question="Why?")
    print(f"n={n}, sent: {bodies[0]}")
    assert bodies == [expected] * n
bodies.clear()
try:
    with dspy.context(lm=gpt_5(engine="litellm")):
        dspy.Predict("question -> answer", n=2)(question="Why?")
except dspy.LMUnsupportedFeatureError as error:
    print(f'n=2, engine="litellm": {type(error).__name__}, nothing sent')
    assert not bodies
else:
    raise SystemExit("LiteLLM sends the temperature")
trainset = [dspy.Example(question="Why?", answer="Answer.").with_inputs("question")]
with dspy.context(lm=gpt_5()), contextlib.redirect_stdout(io.StringIO()):
    optimizer = dspy.COPRO(metric=lambda example, prediction, trace=None: 1.0, breadth=2, depth=1)
    optimizer.compile(dspy.Predict("question -> answer"), trainset=trainset, eval_kwargs={"num_threads": 1})
print(f"COPRO, sent: {bodies[0]}")
assert bodies[0] == {"model": "gpt-5", "temperature": 1.4}
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
