#!/usr/bin/env bash
# DSPy: two requests that stream at the same time lose each other's text.
#
# Seen on 2026-11-30 with dspy 3.4.1, CPython 3.11.
# Expected: `streamify` returns a function that a web service calls for each request. With `allow_reuse=True`, which
#           is for several streams, each request gets the pieces of its own answer.
# Seen:     a listener has one state for all streams. While a first answer is streamed, the header of a second one
#           counts as the end of the first; the second one's text then comes without a beginning, and the rest of the
#           first too. Neither reader gets an error, and the predictions at the end are whole, so no log and no trace
#           shows the loss. Listeners and `streamify` have to be made for each request.
#
# Output seen:
#   one after the other: 'Paris is the capital of France.' and 'Rome.'
#   the second during the first: 'Paris is the' and ''
#   a streamify for each: 'Paris is the capital of France.' and 'Rome.'
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

import dspy
from dspy.lm15 import StreamDeltaEvent, StreamEndEvent, StreamStartEvent, TextDelta, Usage

PIECES = {"France": ["Paris ", "is ", "the ", None, "capital ", "of ", "France."], "Italy": ["Rome."]}


class Engine:
    """Streams an answer in pieces. At None it pauses until `resume` is set."""

    def __init__(self):
        self.paused, self.resume = asyncio.Event(), asyncio.Event()

    async def complete(self, request):
        raise NotImplementedError

    async def stream(self, request):
        country = "France" if "France" in request.messages[-1].parts[0].text else "Italy"
        yield StreamStartEvent(id="1", model="model")
        for piece in ["[[ ##", " answer", " ## ]]", "\n", *PIECES[country], "\n\n", "[[ ##", " completed", " ## ]]"]:
            if piece is not None:
                yield StreamDeltaEvent(delta=TextDelta(text=piece))
                continue
            self.paused.set()
            await self.resume.wait()
        yield StreamEndEvent(finish_reason="stop", usage=Usage())


class SyncEngine:
    def complete(self, request):
        raise NotImplementedError


def streaming():
    listener = dspy.streaming.StreamListener(signature_field_name="answer", allow_reuse=True)
    program = dspy.Predict("question -> answer")
    return dspy.streamify(program, stream_listeners=[listener], is_async_program=True)


async def ask(stream, country):
    pieces = []
    async for value in stream(question=f"What is the capital of {country}?"):
        if isinstance(value, dspy.streaming.StreamResponse):
            pieces.append(value.chunk)
    return "".join(pieces)


async def two(at_once, one, other):
    engine = Engine()
    with dspy.context(lm=dspy.LM("openai/model", engine=SyncEngine(), async_engine=engine, cache=False)):
        if not at_once:
            engine.resume.set()
            return await ask(one, "France"), await ask(other, "Italy")
        first = asyncio.create_task(ask(one, "France"))
        await engine.paused.wait()
        await asyncio.sleep(0.2)  # the first reader has what was streamed
        second = await ask(other, "Italy")
        engine.resume.set()
        return await first, second


shared = streaming()
whole = ("Paris is the capital of France.", "Rome.")
for name, at_once, one, other, expected in (
    ("one after the other", False, shared, shared, whole),
    ("the second during the first", True, shared, shared, ("Paris is the", "")),
    ("a streamify for each", True, streaming(), streaming(), whole),
):
    texts = asyncio.run(two(at_once, one, other))
    print(f"{name}: {texts[0]!r} and {texts[1]!r}")
    assert texts == expected
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
