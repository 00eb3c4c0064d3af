#!/usr/bin/env bash
# DSPy: a streamed answer has no [[ and what comes after it in the same piece.
#
# Seen on 2026-11-29 with dspy 3.4.1, CPython 3.11.
# Expected: the pieces that a StreamListener yields add up to the field of the prediction.
# Seen:     the listener takes each [[ for the beginning of the next field's header. Once the text goes on otherwise it
#           yields what it has held back only up to the [[, and drops the rest: tests in bash, wiki links and matrices
#           reach the reader damaged. The prediction at the end has the whole answer, so no log and no trace shows the
#           loss.
#
# Output seen:
#   a test in bash: streamed 'if a.txt ]]; then echo yes; fi', prediction 'if [[ -f a.txt ]]; then echo yes; fi'
#   a wiki link: streamed 'See ]] and ]].', prediction 'See [[Paris]] and [[Rome]].'
#   a matrix: streamed ', 2], [3, 4]]', prediction '[[1, 2], [3, 4]]'
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

ANSWERS = {
    "a test in bash": ["if ", "[[ ", "-f ", "a.txt ", "]]; ", "then ", "echo ", "yes; ", "fi"],
    "a wiki link": ["See ", "[[", "Paris", "]] ", "and ", "[[", "Rome", "]]."],
    "a matrix": ["[[", "1", ", ", "2", "], ", "[", "3", ", ", "4", "]]"],
}
seen = {}


class Engine:
    """Streams an answer in the pieces above, between the field's header and the end marker."""

    def __init__(self, pieces):
        self.pieces = ["[[ ##", " answer", " ## ]]", "\n", *pieces, "\n\n", "[[ ##", " completed", " ## ]]"]

    async def complete(self, request):
        raise NotImplementedError

    async def stream(self, request):
        yield StreamStartEvent(id="1", model="model")
        for piece in self.pieces:
            yield StreamDeltaEvent(delta=TextDelta(text=piece))
        yield StreamEndEvent(finish_reason="stop", usage=Usage())


async def ask(question):
    engine = Engine(ANSWERS[question])
    lm = dspy.LM("openai/model", engine=SyncEngine(engine), async_engine=engine, cache=False)
    listener = dspy.streaming.StreamListener(signature_field_name="answer")
    stream = dspy.streamify(
        dspy.Predict("question -> answer"), stream_listeners=[listener], is_async_program=True
    )
    chunks, answer = [], None
    with dspy.context(lm=lm):
        async for value in stream(question=question):
            if isinstance(value, dspy.streaming.StreamResponse):
                chunks.append(value.chunk)
            elif isinstance(value, dspy.Prediction):
                answer = value.answer
    seen[question] = ("".join(chunks), answer)
    print(f"{question}: streamed {''.join(chunks)!r}, prediction {answer!r}")


class SyncEngine:
    def __init__(self, engine):
        self.engine = engine

    def complete(self, request):
        raise NotImplementedError


for question in ANSWERS:
    asyncio.run(ask(question))
assert seen == {
    "a test in bash": ("if a.txt ]]; then echo yes; fi", "if [[ -f a.txt ]]; then echo yes; fi"),
    "a wiki link": ("See ]] and ]].", "See [[Paris]] and [[Rome]]."),
    "a matrix": (", 2], [3, 4]]", "[[1, 2], [3, 4]]"),
}
PYTHON
"$folder/venv/bin/python" finding.py 2>log || { cat log >&2; exit 1; }
