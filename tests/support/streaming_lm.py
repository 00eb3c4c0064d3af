"""Scripted language model that streams one chunk per word and can stop or fail at a given chunk, without a network."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any, cast

import dspy
from dspy.lm15 import StreamDeltaEvent, StreamEndEvent, StreamStartEvent, TextDelta

from tests.support.in_process_lm import AsyncScriptedEngine, ScriptedEngine

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.support.lm_server import Script


class _StreamingEngine(ScriptedEngine):
    def __init__(self, script: Script, breaks_after: int | None, error: Exception | None) -> None:
        super().__init__(script)
        self.breaks_after = breaks_after
        self.error = error
        self.handed_out = 0
        """Chunks that were asked for and given, of all answers together."""

    def stream(self, request: Any) -> Iterator[Any]:
        """Stream one answer."""
        response = self.complete(request)
        yield StreamStartEvent(id=response.id, model=response.model)
        words = re.findall(r"\S+\s*", "".join(getattr(part, "text", "") for part in response.message.parts))
        for number, word in enumerate(words):
            if self.breaks_after is not None and number >= self.breaks_after and self.error is not None:
                raise self.error
            self.handed_out += 1
            yield StreamDeltaEvent(delta=TextDelta(text=word))
        yield StreamEndEvent(finish_reason=response.finish_reason, usage=response.usage)


class _AsyncStreamingEngine(AsyncScriptedEngine):
    def __init__(self, engine: _StreamingEngine) -> None:
        super().__init__(engine)
        self._streaming = engine

    async def stream(self, request: Any) -> AsyncIterator[Any]:
        """Stream one answer; it gives way before each chunk, and hangs for good where one is to break without error."""
        words = 0
        for event in self._streaming.stream(request):
            await asyncio.sleep(0)
            words += event.type == "delta"
            yield event
            if self._streaming.error is None and words == self._streaming.breaks_after:
                await asyncio.sleep(3600)


def streaming_lm(
    script: Script, *, breaks_after: int | None = None, error: Exception | None = None, **kwargs: Any
) -> dspy.LM:
    """A `dspy.LM` that streams a chunk a word.

    Args:
        script: answers the prompts.
        breaks_after: how many chunks there are before it breaks; None = it doesn't.
        error: what it then raises; None = it gives no more and waits (only where it is awaited).
        kwargs: settings of the LM.
    """
    engine = _StreamingEngine(script, breaks_after, error)
    settings: dict[str, Any] = {"cache": False, "num_retries": 0, **kwargs}
    return dspy.LM("openai/scripted", engine=engine, async_engine=_AsyncStreamingEngine(engine), **settings)


def handed_out(lm: dspy.LM) -> int:
    """How many chunks an LM of `streaming_lm` has given."""
    return cast("_StreamingEngine", lm._engine_spec).handed_out
