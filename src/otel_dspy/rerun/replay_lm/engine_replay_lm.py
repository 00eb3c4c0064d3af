"""`EngineReplayLM`: answers from a record by an engine of DSPy 3.4 and newer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import dspy
from typing_extensions import override

from otel_dspy.rerun.replay_lm.answers import Replaying
from otel_dspy.rerun.replay_lm.replay_call import ReplayCall, call_of, current_call, lm15
from otel_dspy.rerun.request_serialization import COMPARED

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from otel_dspy.rerun.replay_lm.answers import ReplayAnswers

_NOT_IN_REQUESTS: Final = frozenset({"messages", "n", "rollout_id"})
_STAND_IN: Final = "[messages or settings that dspy.lm15 has no type for]"
"""Prompt that DSPy gets in place of messages that it cannot convert. The history has the messages."""


class ReplayEngine:
    """An engine (`dspy.LM(engine=...)`) that answers the current call of its model."""

    def __init__(self, answers: ReplayAnswers) -> None:
        self._answers = answers

    def __deepcopy__(self, _memo: dict[int, Any]) -> ReplayEngine:
        """Return itself: it has no state."""
        return self

    def complete(self, request: Any) -> Any:
        """Return the next choice of the answer, as `lm15.Response`.

        Raises:
            UnknownCallError: The call is not in the record, and there is no fallback.
            RecordedCallError: The recorded call failed.
        """
        return call_of(request, self._answers).next_response()

    def stream(self, request: Any) -> Iterator[Any]:
        """Yield the events of a stream: the whole choice as one chunk."""
        yield from lm15.response_to_events(self.complete(request))

    def close(self) -> None:
        """Do nothing: there is no connection."""


class AsyncReplayEngine:
    """The same, awaited."""

    def __init__(self, engine: ReplayEngine) -> None:
        self._engine = engine

    def __deepcopy__(self, _memo: dict[int, Any]) -> AsyncReplayEngine:
        """Return itself: it has no state."""
        return self

    async def complete(self, request: Any) -> Any:
        """Return the next choice, as `ReplayEngine.complete` does, from a thread: the record may have to be read."""
        return await asyncio.to_thread(self._engine.complete, request)

    async def stream(self, request: Any) -> AsyncIterator[Any]:
        """Yield the events of a stream."""
        response = await self.complete(request)
        for event in lm15.response_to_events(response):
            yield event

    async def aclose(self) -> None:
        """Do nothing: there is no connection."""


class EngineReplayLM(Replaying, dspy.LM):
    """A language model that answers recorded calls, matched by model, messages and settings.

    DSPy converts a call to an `lm15.Request` for its engine, without `rollout_id` and `n`, and with types for what it
    knows. The record has calls as they were made. Therefore the call itself is matched, not the request.

    Args:
        answers: the record, and the model that gets the rest.
        model: name of the model, as recorded.
        **settings: default settings of requests, such as `temperature`.
    """

    def __init__(self, answers: ReplayAnswers, model: str, **settings: Any) -> None:
        self.answers = answers
        engine = ReplayEngine(answers)
        base: Any = super()
        base.__init__(
            model,
            engine=engine,
            async_engine=AsyncReplayEngine(engine),
            cache=False,
            num_retries=0,
            callbacks=settings.get("callbacks"),
        )
        # Not by the base class, which rejects settings of OpenAI's reasoning models, and of connections.
        self.kwargs: dict[str, Any] = {**self.kwargs, **_compared(settings)}

    @override
    def __call__(self, prompt: Any = None, *, messages: Any = None, **kwargs: Any) -> Any:
        """Return the recorded outputs; for an `lm15.Request` the recorded response.

        Raises:
            UnknownCallError: The call is not in the record, and there is no fallback.
            RecordedCallError: The recorded call failed.
        """
        base: Any = super()
        call = ReplayCall(self.answers, self, prompt, messages, kwargs)
        with call.current():
            response = base.__call__(**_representable(call))
        return call.outputs if call.typed is None else response

    @override
    async def acall(self, prompt: Any = None, *, messages: Any = None, **kwargs: Any) -> Any:
        """Return the recorded outputs, as `__call__` does."""
        base: Any = super()
        call = ReplayCall(self.answers, self, prompt, messages, kwargs)
        with call.current():
            response = await base.acall(**_representable(call))
        return call.outputs if call.typed is None else response

    @override
    def update_history(self, entry: Any) -> None:
        """Add a call to the history, as it was made and answered."""
        call = current_call()
        base: Any = super()
        base.update_history(entry if call is None or call.lm is not self else {**entry, **call.history})

    @override
    def dump_state(self) -> dict[str, Any]:
        """Return the model's name and settings. The record is not part of it."""
        return dspy.BaseLM.dump_state(self)


def _representable(call: ReplayCall) -> dict[str, Any]:
    """Return the arguments for DSPy: those of the call, or a stand-in where `lm15` has no type for them.

    DSPy's own cache stays out: it would answer a repeated call before the record does.
    """
    if call.typed is not None:
        return {**call.kwargs, "prompt": call.prompt, "cache": False}
    keywords = call.keywords
    body = {name: value for name, value in keywords.items() if name not in _NOT_IN_REQUESTS and value is not None}
    body = {name: value for name, value in body.items() if not isinstance(value, type)}  # DSPy converts these
    try:
        lm15.request_from_openai_chat({"model": call.lm.model, **body, "messages": call.chat})
    except (lm15.LM15Error, TypeError, ValueError):
        unset = dict.fromkeys(keywords.keys() - {"messages"})
        return {**unset, "prompt": _STAND_IN, "n": keywords.get("n"), "cache": False}
    return {**_compared(call.kwargs), "prompt": call.prompt, "messages": call.messages, "cache": False}


def _compared(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name in COMPARED}
