#!/usr/bin/env bash
# OpenTelemetry: with the newest versions of its dependencies the instrumentation of OpenAI records nothing, without a line.
#
# Seen on 2026-11-29 with opentelemetry-instrumentation-openai-v2 2.4b0, opentelemetry-distro 0.66b2, CPython 3.11, and the
#           versions below.
# Expected: `opentelemetry-instrument python program.py` has a span for each chat completion, or names what is wrong.
# Seen:     the instrumentation asks for util-genai>=0.4b0.dev and openai>=1.26.0 without upper bounds, and imports a module
#           that util-genai 1.3b0 does not have, and httpx, which openai 3 does not bring any more. `pip check` finds
#           nothing wrong. A module that is not found is taken for a library that is not there, and the instrumentation
#           is skipped with a line at DEBUG: the program runs without a span or a log line.
#
# Output seen:
#   openai 3.57.0, util-genai 1.3b0: No broken requirements found. answer 'four', spans [], log lines 0
#   openai 3.57.0, util-genai 0.4b0: No broken requirements found. answer 'four', spans [], log lines 0
#   openai 2.54.0, util-genai 1.3b0: No broken requirements found. answer 'four', spans [], log lines 0
#   openai 2.54.0, util-genai 0.4b0: No broken requirements found. answer 'four', spans ['chat served'], log lines 0
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check opentelemetry-instrumentation-openai-v2==2.4b0 \
    opentelemetry-util-genai==1.3b0 opentelemetry-distro==0.66b2 opentelemetry-sdk==1.45.2 openai==3.57.0
cd "$folder"
cat >program.py <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import openai


class Model(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        choice = {"index": 0, "message": {"role": "assistant", "content": "four"}, "finish_reason": "stop"}
        completion = {"id": "1", "object": "chat.completion", "created": 1, "model": "served", "choices": [choice]}
        usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
        body = json.dumps({**completion, "usage": usage}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = openai.OpenAI(base_url=f"http://127.0.0.1:{server.server_port}/v1", api_key="none")
answer = client.chat.completions.create(model="served", messages=[{"role": "user", "content": "2+2?"}])
with open("answer.txt", "w") as file:
    file.write(answer.choices[0].message.content)
PYTHON
cat >finding.py <<'PYTHON'
import os
import pathlib
import re
import subprocess
import sys

settings = {"OTEL_TRACES_EXPORTER": "console", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")} | settings
instrument = [os.path.join(os.path.dirname(sys.executable), "opentelemetry-instrument"), sys.executable, "program.py"]
pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
seen = {}
for versions in (("3.57.0", "1.3b0"), ("3.57.0", "0.4b0"), ("2.54.0", "1.3b0"), ("2.54.0", "0.4b0")):
    pins = [f"openai=={versions[0]}", f"opentelemetry-util-genai=={versions[1]}"]
    subprocess.run([*pip, "install", "--quiet", *pins], check=True)
    checked = subprocess.run([*pip, "check"], capture_output=True, text=True).stdout.strip()
    ran = subprocess.run(instrument, env=environment, capture_output=True, text=True, check=True)
    spans = re.findall(r'^    "name": "(.*)",$', ran.stdout, re.MULTILINE)
    answer, lines = pathlib.Path("answer.txt").read_text(), len(ran.stderr.splitlines())
    seen[versions] = (checked, answer, spans, lines)
    print(f"openai {versions[0]}, util-genai {versions[1]}: {checked} answer {answer!r}, spans {spans}, log lines {lines}")
*without, with_span = seen.values()
assert without == [("No broken requirements found.", "four", [], 0)] * 3
assert with_span == ("No broken requirements found.", "four", ["chat served"], 0)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
