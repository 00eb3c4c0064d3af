#!/usr/bin/env bash
# LiteLLM: `trim_messages` drops a tool call and keeps its result, or trims nothing at all where the call has no text.
#
# Seen on 2026-12-01 with litellm 1.110.2, CPython 3.11.
# Expected: an agent's messages that are trimmed to 200 tokens have at most 200, and a result only together with its
#           call: OpenAI and Anthropic reject a result without one.
# Seen:     each message is dropped or kept on its own: the call, which is too long, is dropped, and its result is kept.
#           Where the content of the call is None, which is what OpenAI returns, cutting it raises inside; the error is
#           logged, and all messages are returned as they are, with almost three times the tokens.
#
# Output seen:
#   the call has the content '': user, tool, user with 109 tokens
#   the call has the content None: user, assistant, tool, user with 572 tokens
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check litellm==1.110.2
cd "$folder"
cat >finding.py <<'PYTHON'
import json

from litellm import token_counter
from litellm.utils import trim_messages

QUESTION = {"role": "user", "content": "Weather in Paris?"}
function = {"name": "weather", "arguments": json.dumps({"city": "Paris", "days": list(range(150))})}
CALL = {
    "role": "assistant",
    "tool_calls": [{"id": "call-1", "type": "function", "function": function}],
}
RESULT = {"role": "tool", "tool_call_id": "call-1", "content": "sun and rain, " * 20}


def trimmed(content):
    """Roles and tokens of an agent's messages after they are trimmed to 200 tokens."""
    messages = [QUESTION, {**CALL, "content": content}, RESULT, {"role": "user", "content": "And what shall I wear?"}]
    kept = trim_messages(messages, model="gpt-4.1", max_tokens=200)
    roles, tokens = [message["role"] for message in kept], token_counter(model="gpt-4.1", messages=kept)
    print(f"the call has the content {content!r}: {', '.join(roles)} with {tokens} tokens")
    return roles, tokens


assert trimmed("") == (["user", "tool", "user"], 109)
assert trimmed(None) == (["user", "assistant", "tool", "user"], 572)
PYTHON
export LITELLM_LOCAL_MODEL_COST_MAP=True
"$folder/venv/bin/python" -W ignore finding.py 2>log || { cat log >&2; exit 1; }
