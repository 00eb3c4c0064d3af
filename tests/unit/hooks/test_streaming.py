"""Streamed answers: the chat span lasts as long as the stream, and records when its first chunk came and how it ended."""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any, cast

import dspy
import pytest
from dspy.utils.exceptions import LMError
from inline_snapshot import snapshot

from tests.support.dspy_answers import dspy_script
from tests.support.span_recorder import recording
from tests.support.streaming_lm import handed_out, streaming_lm
from tests.support.waiting import awaited

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Iterator

    from tests.support.span_recorder import Recorder

SCRIPT = dspy_script({"answer": lambda _: "one two three four five six seven eight nine ten"})
SHOWN = ("gen_ai.request.stream", "gen_ai.response.finish_reasons", "error.type")
WHOLE = [
    "module Predict",
    "  chat scripted gen_ai.request.stream=True gen_ai.response.finish_reasons=('stop',)",
]
CANCELLED = "asyncio.exceptions.CancelledError"
both_ways = pytest.mark.parametrize("awaited", [False, True], ids=["sync program", "async program"])


def _stream(*, awaited: bool, **settings: Any) -> AsyncGenerator[Any]:
    program = dspy.Predict("question -> answer")
    streamed = cast("Any", dspy).streamify(program, is_async_program=awaited, **settings)
    return streamed(question="1+1")


async def _all(stream: AsyncGenerator[Any]) -> list[Any]:
    return [chunk async for chunk in stream]


async def _first(stream: AsyncGenerator[Any], count: int) -> list[Any]:
    return [await anext(stream) for _ in range(count)]


def _text(chunks: Iterable[Any]) -> str:
    return "".join(chunk.chunk for chunk in chunks if hasattr(chunk, "chunk"))


def _ended(recorder: Recorder) -> None:
    # A program on a worker thread detects that the consumer is gone when it yields its next chunk.
    awaited(lambda: recorder.named("module"), "the end of the program")


@both_ways
@pytest.mark.parametrize("content", [False, True], ids=["without content", "with content"])
def test_a_stream_that_is_read_to_its_end(*, awaited: bool, content: bool) -> None:
    """One chat span, with the time to the first chunk on it; with content it has the whole answer."""
    with dspy.context(lm=streaming_lm(SCRIPT)), recording(capture_content=content) as recorder:
        chunks = asyncio.run(_all(_stream(awaited=awaited)))
    assert recorder.tree("", *SHOWN) == WHOLE
    (chat,) = recorder.named("chat")
    recorded = dict(chat.attributes or {})
    first = cast("float", recorded["gen_ai.response.time_to_first_chunk"])
    assert 0 < first < cast("int", chat.end_time) / 1e9 - cast("int", chat.start_time) / 1e9
    assert ("seven" in str(recorded.get("gen_ai.output.messages"))) is content
    assert recorded["gen_ai.usage.output_tokens"] == 5
    streamed = [chunk for chunk in chunks if type(chunk).__name__ == "EngineChunk"]
    counts = {name: points[0][1] for name, points in recorder.metrics().items() if name.endswith("_chunk")}
    assert counts == {
        "gen_ai.client.operation.time_to_first_chunk": 1,
        "gen_ai.client.operation.time_per_output_chunk": len(streamed) - 1,
    }


def test_a_stream_that_is_read_without_an_event_loop() -> None:
    """`async_streaming=False` gives a plain generator; its spans are children of where it was begun to be read."""
    with dspy.context(lm=streaming_lm(SCRIPT)), recording() as recorder:
        chunks: Iterator[Any] = cast("Any", _stream(awaited=False, async_streaming=False))
        assert recorder.spans == ()
        assert len(list(chunks)) > 10
    assert recorder.tree("", *SHOWN) == WHOLE


@both_ways
def test_listeners_get_the_same_calls_as_without_instrumentation(*, awaited: bool) -> None:
    """A `StreamListener` on one field gets the same pieces, and the tree is that of a call."""

    def run() -> list[tuple[str, bool]]:
        listener = dspy.streaming.StreamListener(signature_field_name="answer")
        with dspy.context(lm=streaming_lm(SCRIPT)):
            pieces = asyncio.run(_all(_stream(awaited=awaited, stream_listeners=[listener])))
        return [(piece.chunk, piece.is_last_chunk) for piece in pieces if hasattr(piece, "chunk")]

    without = run()
    with recording() as recorder:
        assert run() == without
    assert len(without) > 5
    assert recorder.tree("", *SHOWN) == WHOLE


@both_ways
def test_a_stream_that_breaks(*, awaited: bool) -> None:
    """What the engine raises in the middle reaches the reader, and stands once, on the chat span."""
    lm = streaming_lm(SCRIPT, breaks_after=3, error=ConnectionError("the line was cut"))
    with dspy.context(lm=lm), recording() as recorder, pytest.raises(LMError, match="the line was cut"):
        asyncio.run(_all(_stream(awaited=awaited)))
    assert recorder.tree("", *SHOWN) == snapshot(
        [
            "module Predict error.type=dspy.utils.exceptions.LMUnexpectedError ERROR()",
            "  chat scripted error.type=dspy.utils.exceptions.LMUnexpectedError gen_ai.request.stream=True ERROR([openai/scripted] the line was cut)",
        ]
    )


def _stopped(recorder: Recorder, *, awaited: bool) -> None:
    """Both spans have ended with what stopped the program: cancellation, or a pipe that refuses the next chunk."""
    module, chat = recorder.named("module Predict") + recorder.named("chat scripted")
    assert len(recorder.spans) == 2
    assert chat.parent == module.get_span_context()
    assert (chat.attributes or {})["gen_ai.request.stream"] is True
    # A sync program is on a thread of its own: which of the two comes first there is chance.
    endings = {CANCELLED} if awaited else {CANCELLED, "dspy.utils.exceptions.LMUnexpectedError"}
    for span in (module, chat):
        assert not span.status.is_ok
        assert (span.attributes or {})["error.type"] in endings


@both_ways
@pytest.mark.usefixtures("only_own_garbage")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # anyio's, of a generator left behind
@pytest.mark.parametrize("way", ["closed", "forgotten"])
def test_a_stream_that_is_left_early(*, awaited: bool, way: str) -> None:
    """A generator that is closed, or no longer referenced, ends its spans; what was not requested from the model stays unread."""

    async def read_a_little() -> None:
        stream = _stream(awaited=awaited)
        await _first(stream, 2)
        if way == "closed":
            await stream.aclose()

    async def leave() -> None:
        # In a task of its own: DSPy's task group cancels the one that it was entered in.
        await asyncio.create_task(read_a_little())
        gc.collect()
        await asyncio.sleep(0.05)

    def run() -> int:
        lm = streaming_lm(SCRIPT)
        with dspy.context(lm=lm):
            asyncio.run(leave())
        return handed_out(lm)

    without = run()
    with recording() as recorder:
        read = run()
        _ended(recorder)
    _stopped(recorder, awaited=awaited)
    if awaited:  # on its own thread the engine may be a chunk ahead, watched or not
        assert read == without


@both_ways
def test_a_task_that_is_cancelled_while_it_reads(*, awaited: bool) -> None:
    """The reader's task gets its CancelledError; the spans end with what ended the stream."""
    lm = streaming_lm(SCRIPT, breaks_after=3 if awaited else None)

    async def read() -> None:
        reading = asyncio.Event()

        async def slowly() -> None:
            async for _ in _stream(awaited=awaited):
                reading.set()
                if not awaited:
                    await asyncio.sleep(3600)

        task = asyncio.create_task(slowly())
        await reading.wait()
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with dspy.context(lm=lm), recording() as recorder:
        asyncio.run(read())
        _ended(recorder)
    _stopped(recorder, awaited=awaited)


def test_streams_side_by_side_stay_apart() -> None:
    """Two streams that are read in turns have their own spans, each its own first chunk."""

    async def read() -> None:
        streams = [_stream(awaited=True) for _ in range(2)]
        await asyncio.gather(*(_all(stream) for stream in streams))

    with dspy.context(lm=streaming_lm(SCRIPT)), recording() as recorder:
        asyncio.run(read())
    assert recorder.tree("", *SHOWN) == WHOLE * 2
    assert all((chat.attributes or {})["gen_ai.response.time_to_first_chunk"] for chat in recorder.named("chat"))


def test_two_requests_that_share_a_listener() -> None:
    """Their readers lose text, as without instrumentation; the spans have both answers as the model gave them."""
    answers = {"France": "Paris is the capital of France.", "Italy": "Rome is the capital of Italy."}
    listener = dspy.streaming.StreamListener(signature_field_name="answer", allow_reuse=True)
    program = dspy.Predict("country -> answer")
    shared = cast("Any", dspy).streamify(program, stream_listeners=[listener], is_async_program=True)

    async def both() -> tuple[str, str]:
        first = shared(country="France")
        begin = await anext(first)
        second = await _all(shared(country="Italy"))
        return _text([begin, *await _all(first)]), _text(second)

    script = dspy_script({"answer": lambda inputs: answers[inputs["country"]]})
    with dspy.context(lm=streaming_lm(script)), recording(capture_content=True) as recorder:
        assert asyncio.run(both()) == snapshot(("Paris", ""))
    recorded = [str((chat.attributes or {})["gen_ai.output.messages"]) for chat in recorder.named("chat")]
    assert all(any(answer in text for text in recorded) for answer in answers.values())


def test_a_generator_under_the_span_decorator_of_opentelemetry() -> None:
    """Its span has ended before the program is called, which is a trace of its own; a span inside has the call."""
    with dspy.context(lm=streaming_lm(SCRIPT)), recording() as recorder:
        tracer = recorder.capture.tracer_provider.get_tracer("app")
        program = dspy.Predict("question -> answer")

        @tracer.start_as_current_span("decorated")
        def decorated() -> Iterator[Any]:
            yield program(question="1+1")

        def inside() -> Iterator[Any]:
            with tracer.start_as_current_span("inside"):
                yield program(question="1+1")

        assert [len(list(pieces)) for pieces in (decorated(), inside())] == [1, 1]
    assert recorder.tree("") == [
        "decorated",
        "module Predict",
        "  chat scripted",
        "inside",
        "  module Predict",
        "    chat scripted",
    ]
