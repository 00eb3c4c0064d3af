#!/usr/bin/env bash
# OpenInference: spans of DSPy's model calls have no token counts, with the instrumentation of LiteLLM beside it too.
#
# Seen on 2026-11-29 with openinference-instrumentation-dspy 0.1.48, openinference-instrumentation-litellm 0.1.51,
#           dspy 3.4.1, litellm 1.106.12, opentelemetry-sdk 1.45.2, CPython 3.11.
# Expected: an LLM span has llm.token_count.prompt and llm.token_count.completion, from which Phoenix derives the cost, as
#           the server's response and DSPy's own history have them. Failing that, Phoenix' guide for DSPy adds the
#           instrumentation of LiteLLM, by which DSPy called models.
# Seen:     the span of dspy.LM has the model, messages and parameters and no tokens. DSPy 3.4 calls OpenAI's protocol
#           itself, so that the instrumentation of LiteLLM has no span at all. With engine="litellm" it has one, with tokens.
#
# Output seen:
#   DSPy's history: 11 prompt tokens, 7 completion tokens
#   default engine: LM.__call__ without tokens
#   engine="litellm": LM.__call__ without tokens, completion with 11 + 7
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check dspy==3.4.1 litellm==1.106.12 \
    openinference-instrumentation-dspy==0.1.48 openinference-instrumentation-litellm==0.1.51 opentelemetry-sdk==1.45.2
cd "$folder"
export DSPY_CACHEDIR="$folder/cache" LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import dspy
from openinference.instrumentation.dspy import DSPyInstrumentor
from openinference.instrumentation.litellm import LiteLLMInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter


class Model(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        message = {"role": "assistant", "content": "[[ ## answer ## ]]\n4\n\n[[ ## completed ## ]]"}
        completion = {
            "id": "1",
            "object": "chat.completion",
            "created": 1,
            "model": "gpt-4o-mini",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
        }
        body = json.dumps(completion).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Model)
threading.Thread(target=server.serve_forever, daemon=True).start()
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
DSPyInstrumentor().instrument(tracer_provider=provider)
LiteLLMInstrumentor().instrument(tracer_provider=provider)
seen = {}
for name, settings in (("default engine", {}), ('engine="litellm"', {"engine": "litellm"})):
    exporter.clear()
    lm = dspy.LM(
        "openai/gpt-4o-mini", api_base=f"http://127.0.0.1:{server.server_port}/v1", api_key="none", cache=False, **settings
    )
    with dspy.context(lm=lm):
        assert dspy.Predict("question -> answer")(question="2+2").answer == "4"
    usage = lm.history[-1]["usage"]
    if not seen:
        print(f"DSPy's history: {usage['prompt_tokens']} prompt tokens, {usage['completion_tokens']} completion tokens")
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (11, 7)
    seen[name] = {}
    for span in exporter.get_finished_spans():
        if span.attributes.get("openinference.span.kind") == "LLM":
            counts = [span.attributes.get(f"llm.token_count.{kind}") for kind in ("prompt", "completion")]
            seen[name][span.name] = counts
    texts = [
        f"{span} without tokens" if counts == [None, None] else f"{span} with {counts[0]} + {counts[1]}"
        for span, counts in sorted(seen[name].items())
    ]
    print(f"{name}: {', '.join(texts)}")
assert seen == {
    "default engine": {"LM.__call__": [None, None]},
    'engine="litellm"': {"LM.__call__": [None, None], "completion": [11, 7]},
}
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
