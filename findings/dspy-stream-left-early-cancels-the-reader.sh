#!/usr/bin/env bash
# DSPy: whoever leaves the loop over a stream early is cancelled at a later await.
#
# Seen on 2026-11-30 with dspy 3.4.1, anyio 4.16.0, CPython 3.11.
# Expected: an `async for` over a stream of `dspy.streamify` may be left with `break`, as of any other iterator: the rest
#           is discarded, and the task goes on.
# Seen:     the stream runs the program in a task group of anyio that is open between two pieces (`_stream_program`),
#           and belongs to the reader's task. Once Python closes the generator, in a task of its own, the group cancels
#           the reader: an `await` that has nothing to do with the stream raises CancelledError, and a web request or a
#           worker ends without an answer. Nor does `aclose()` on the stream help: it closes the outer of two generators.
#
# Output seen:
#   read to the end: 'saved'
#   left with break: CancelledError in the next await
#   closed with aclose(): CancelledError in the next await
#
# Exit status: 0 while the behavior is as described, 1 if it has changed.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip install --quiet --disable-pip-version-check dspy==3.4.1 anyio==4.16.0
cd "$folder"
export DSPY_CACHEDIR="$folder/cache" LITELLM_LOCAL_MODEL_COST_MAP=True
cat >finding.py <<'PYTHON'
import asyncio

import dspy
from dspy.lm15 import StreamDeltaEvent, StreamEndEvent, StreamStartEvent, TextDelta, Usage


class Engine:
    """Streams an answer in pieces, a tenth of a second each."""

    async def complete(self, request):
        raise NotImplementedError

    async def stream(self, request):
        yield StreamStartEvent(id="1", model="model")
        for piece in ["[[ ## answer ## ]]\n", *("word " for _ in range(20)), "\n\n[[ ## completed ## ]]"]:
            await asyncio.sleep(0.1)
            yield StreamDeltaEvent(delta=TextDelta(text=piece))
        yield StreamEndEvent(finish_reason="stop", usage=Usage())


class SyncEngine:
    def complete(self, request):
        raise NotImplementedError


def pieces():
    listener = dspy.streaming.StreamListener(signature_field_name="answer")
    program = dspy.Predict("question -> answer")
    return dspy.streamify(program, stream_listeners=[listener], is_async_program=True)(question="?")


async def save():
    await asyncio.sleep(0.5)
    return "saved"


async def to_the_end():
    async for _ in pieces():
        pass
    return repr(await save())


async def left():
    async for _ in pieces():
        break
    try:
        return repr(await save())
    except asyncio.CancelledError:
        return "CancelledError in the next await"


async def closed():
    stream = pieces()
    await anext(stream)
    await stream.aclose()
    try:
        return repr(await save())
    except asyncio.CancelledError:
        return "CancelledError in the next await"


def run(way):
    lm = dspy.LM("openai/model", engine=SyncEngine(), async_engine=Engine(), cache=False)
    with dspy.context(lm=lm):
        return asyncio.run(way())


seen = {"read to the end": run(to_the_end), "left with break": run(left), "closed with aclose()": run(closed)}
for way, result in seen.items():
    print(f"{way}: {result}")
assert seen == {
    "read to the end": "'saved'",
    "left with break": "CancelledError in the next await",
    "closed with aclose()": "CancelledError in the next await",
}
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
