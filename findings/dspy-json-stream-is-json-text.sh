#!/usr/bin/env bash
# DSPy: with the JSON adapter a streamed answer is JSON text: in quotation marks, with \n, and with the next field's name.
#
# Seen on 2026-11-30 with dspy 3.4.1, CPython 3.11.
# Expected: a `StreamListener` on a field gives the text of that field, the same that is in the prediction in the end, as
#           it does with the chat adapter.
# Seen:     it gives the characters of the model's JSON object from the field's colon on. The reader sees the opening
#           and the closing quotation mark, `\n` in the place of line breaks and `\"` in that of quotation marks; after
#           a field that is not the last one also the comma and the name of the next field. The prediction is right.
#
# Output seen:
#   ChatAdapter: streamed 'Say "hi":\n1. Wave.\n2. Smile.', prediction 'Say "hi":\n1. Wave.\n2. Smile.'
#   JSONAdapter: streamed ' "Say \\"hi\\":\\n1. Wave.\\n2. Smile.", "source": ', prediction 'Say "hi":\n1. Wave.\n2. Smile.'
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
import asyncio
import json
import re

import dspy
from dspy.lm15 import StreamDeltaEvent, StreamEndEvent, StreamStartEvent, TextDelta, Usage

ANSWER = 'Say "hi":\n1. Wave.\n2. Smile.'
TEXTS = {
    dspy.ChatAdapter: f"[[ ## answer ## ]]\n{ANSWER}\n\n[[ ## source ## ]]\na book\n\n[[ ## completed ## ]]",
    dspy.JSONAdapter: json.dumps({"answer": ANSWER, "source": "a book"}),
}


class SyncEngine:
    def complete(self, request):
        raise NotImplementedError


class Engine:
    """Streams a text in pieces like those of a tokenizer: words and punctuation."""

    def __init__(self, text):
        self.pieces = re.findall(r"\s*(?:\w+|[^\w\s]+)|\s+", text)
        assert "".join(self.pieces) == text

    async def complete(self, request):
        raise NotImplementedError

    async def stream(self, request):
        yield StreamStartEvent(id="1", model="model")
        for piece in self.pieces:
            yield StreamDeltaEvent(delta=TextDelta(text=piece))
        yield StreamEndEvent(finish_reason="stop", usage=Usage())


async def ask(adapter):
    lm = dspy.LM("openai/model", engine=SyncEngine(), async_engine=Engine(TEXTS[adapter]), cache=False)
    stream = dspy.streamify(
        dspy.Predict("question -> answer, source"),
        stream_listeners=[dspy.streaming.StreamListener(signature_field_name="answer")],
        is_async_program=True,
    )
    chunks, answer = [], None
    with dspy.context(lm=lm, adapter=adapter()):
        async for value in stream(question="How do I greet?"):
            if isinstance(value, dspy.streaming.StreamResponse):
                chunks.append(value.chunk)
            elif isinstance(value, dspy.Prediction):
                answer = value.answer
    print(f"{adapter.__name__}: streamed {''.join(chunks)!r}, prediction {answer!r}")
    assert answer == ANSWER
    return "".join(chunks)


assert asyncio.run(ask(dspy.ChatAdapter)) == ANSWER
assert asyncio.run(ask(dspy.JSONAdapter)) == f' {json.dumps(ANSWER)}, "source": '
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
