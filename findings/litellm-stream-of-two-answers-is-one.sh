#!/usr/bin/env bash
# LiteLLM: the two answers of a stream with `n=2` become one, in which their pieces alternate.
#
# Seen on 2026-11-30 with litellm 1.106.12 and dspy 3.4.1, CPython 3.11.
# Expected: `stream_chunk_builder` makes of the chunks of a stream the response that the call without a stream has: each
#           chunk names the choice that it belongs to, so that `n=2` gives two choices.
# Seen:     the index of a chunk's choice is not read. The pieces of both answers are joined in the order in which they
#           came, in one choice with the finish reason of the first that ends. Callbacks get this response for the stream,
#           and DSPy's LiteLLM engine parses it: with `n=2` a streamed program raises AdapterParseError, or returns an
#           answer that the model has not given.
#
# Output seen:
#   without a stream: ['Paris is in France.', 'Lyon is in France.']
#   stream_chunk_builder: ['ParisLyon is is in in France. France.'], finish reason stop
#   callback: ['ParisLyon is is in in France. France.']
#   dspy.streamify with the LiteLLM engine: AdapterParseError
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check litellm==1.106.12 dspy==3.4.1
cd "$folder"
export DSPY_CACHEDIR="$folder/cache" LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import asyncio
import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dspy
import litellm

PLAIN = ["Paris is in France.", "Lyon is in France."]
FIELDS = [f"[[ ## answer ## ]]\n{answer}\n\n[[ ## completed ## ]]" for answer in PLAIN]
USAGE = {"prompt_tokens": 10, "completion_tokens": 10, "total_tokens": 20}
REASONS = ["stop", "length"]


class Model(BaseHTTPRequestHandler):
    """Answers each request with two choices, of which the chunks alternate in a stream."""

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        head = {"id": "1", "created": 1, "model": "model"}
        answers = FIELDS if "[[ ##" in json.dumps(request["messages"]) else PLAIN
        assert request["n"] == 2
        if request.get("stream"):
            head["object"] = "chat.completion.chunk"
            pieces = [re.findall(r"\s*\S+", answer) for answer in answers]
            choices = [
                {"index": index, "delta": {"role": "assistant", "content": piece}, "finish_reason": None}
                for both in zip(*pieces, strict=True)
                for index, piece in enumerate(both)
            ] + [{"index": index, "delta": {}, "finish_reason": reason} for index, reason in enumerate(REASONS)]
            chunks = [{**head, "choices": [choice]} for choice in choices] + [{**head, "choices": [], "usage": USAGE}]
            body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
        else:
            choices = [
                {"index": index, "message": {"role": "assistant", "content": answer}, "finish_reason": REASONS[index]}
                for index, answer in enumerate(answers)
            ]
            body = json.dumps({**head, "object": "chat.completion", "choices": choices, "usage": USAGE})
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream" if request.get("stream") else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
address = {"api_base": f"http://127.0.0.1:{server.server_port}/v1", "api_key": "none"}
seen_by_callback = []
litellm.suppress_debug_info = True


def texts(response):
    return [choice.message.content.strip() for choice in response.choices]


def followed(kwargs, response, *_):
    if kwargs.get("complete_streaming_response"):
        seen_by_callback.append(texts(response))


call = {"model": "openai/model", "messages": [{"role": "user", "content": "A city?"}], "n": 2, **address}
whole = texts(litellm.completion(**call))
print(f"without a stream: {whole}")
litellm.success_callback = [followed]
chunks = list(litellm.completion(**call, stream=True))
built = litellm.stream_chunk_builder(chunks)
print(f"stream_chunk_builder: {texts(built)}, finish reason {built.choices[0].finish_reason}")
deadline = time.monotonic() + 30
while not seen_by_callback and time.monotonic() < deadline:
    time.sleep(0.05)
print(f"callback: {seen_by_callback[0]}")
litellm.success_callback = []


async def streamed():
    with dspy.context(lm=dspy.LM("openai/model", engine="litellm", cache=False, **address)):
        stream = dspy.streamify(dspy.Predict("question -> answer"))
        async for value in stream(question="A city?", config={"n": 2, "temperature": 1.0}):
            if isinstance(value, dspy.Prediction):
                return value.completions.answer


try:
    outcome = asyncio.run(streamed())
except Exception as error:
    outcome = type(error).__name__
print(f"dspy.streamify with the LiteLLM engine: {outcome}")
MIXED = ["ParisLyon is is in in France. France."]
assert whole == PLAIN
assert texts(built) == MIXED and len(built.choices) == 1 and built.choices[0].finish_reason == "stop"
assert seen_by_callback[0] == MIXED
assert outcome == "AdapterParseError"
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
