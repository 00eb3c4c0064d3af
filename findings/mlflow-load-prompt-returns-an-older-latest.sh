#!/usr/bin/env bash
# MLflow: load_prompt without a version returns the latest version of up to a minute ago, although it logs that it does
# not cache in this case.
#
# Seen on 2026-11-29 with mlflow 3.17.2, CPython 3.11.
# Expected: load_prompt("qa") loads "the latest version of the prompt". The cache is documented for prompts that are loaded
#           by version or by alias; at DEBUG level the call logs "Prompt caching will not be enabled for this mode."
# Seen:     the name becomes the alias `latest`, which is cached for 60 seconds. When another process registers a version,
#           a service goes on with the one before, and two services load different "latest" versions. Only
#           cache_ttl_seconds=0 asks the registry.
#
# Output seen:
#   logged: Prompt caching will not be enabled for this mode.
#   loaded: version 1
#   loaded after another process has registered version 2: version 1
#   the same with cache_ttl_seconds=0: version 2
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check mlflow==3.17.2
cd "$folder"
export MLFLOW_DISABLE_TELEMETRY=true
cat >finding.py <<'PYTHON'
import logging
import subprocess
import sys

import mlflow

mlflow.set_tracking_uri("sqlite:///mlflow.db")
if len(sys.argv) > 1:
    mlflow.genai.register_prompt("qa", "Answer in one word: {{question}}")
    sys.exit()

logged = []
handler = logging.Handler()
handler.emit = lambda record: logged.append(record.getMessage())
registry = logging.getLogger("mlflow.prompt.registry_utils")
registry.setLevel(logging.DEBUG)
registry.addHandler(handler)

mlflow.genai.register_prompt("qa", "Answer: {{question}}")
first = mlflow.genai.load_prompt("qa").version
promise = "Prompt caching will not be enabled for this mode."
assert any(promise in text for text in logged)
subprocess.run([sys.executable, __file__, "register"], check=True, capture_output=True)
second = mlflow.genai.load_prompt("qa").version
asked = mlflow.genai.load_prompt("qa", cache_ttl_seconds=0).version
print(f"logged: {promise}")
print(f"loaded: version {first}")
print(f"loaded after another process has registered version 2: version {second}")
print(f"the same with cache_ttl_seconds=0: version {asked}")
assert (first, second, asked) == (1, 1, 2)
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
