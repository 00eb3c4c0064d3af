#!/usr/bin/env bash
# LiteLLM: with `litellm.cache` the second of two equal calls raises, unless the packages of the proxy are installed.
#
# Seen on 2026-11-30 with litellm 1.106.12, CPython 3.11.
# Expected: `litellm.cache = Cache()`, the cache in memory, works with `pip install litellm`: the second call has the
#           answer of the first one.
# Seen:     once a cached answer is found, LiteLLM imports handlers of its proxy to decide whether callbacks wait for
#           the end of a stream, and raises ModuleNotFoundError for the first package of the extra `proxy` that is
#           missing. A program runs until its first repeated question.
#
# Output seen:
#   first call: answered
#   second call: ModuleNotFoundError: No module named 'fastapi'
#   second call, awaited: ModuleNotFoundError: No module named 'fastapi'
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check litellm==1.106.12
cd "$folder"
export LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import asyncio

import litellm
from litellm.caching.caching import Cache

litellm.cache = Cache()
call = {
    "model": "openai/gpt-4o", "messages": [{"role": "user", "content": "Hi"}],
    "mock_response": "Hello.", "caching": True,
}
assert litellm.completion(**call).choices[0].message.content == "Hello."
print("first call: answered")
try:
    litellm.completion(**call)
except ModuleNotFoundError as error:
    print(f"second call: {type(error).__name__}: {error}")
    assert error.name == "fastapi"
else:
    raise AssertionError("answered")
try:
    asyncio.run(litellm.acompletion(**call))
except ModuleNotFoundError as error:
    print(f"second call, awaited: {type(error).__name__}: {error}")
else:
    raise AssertionError("answered")
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
