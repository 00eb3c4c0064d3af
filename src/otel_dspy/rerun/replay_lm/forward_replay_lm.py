"""`ForwardReplayLM`: answers from a record by `BaseLM.forward`, for versions of DSPy without engines."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import dspy
from typing_extensions import override

from otel_dspy.rerun.chat_completion import response_of
from otel_dspy.rerun.replay_lm.answers import ReplayAnswers, Replaying

if TYPE_CHECKING:
    from otel_dspy.rerun.calls_by_request import Recordings


class ForwardReplayLM(Replaying, dspy.BaseLM):
    """A language model that answers recorded calls, matched by model, messages and settings.

    Args:
        recordings: the recorded calls.
        model: name of the model, as recorded.
        capabilities: model whose supported features it reports; None for those that DSPy knows by the name.
        fallback: model that gets calls that are not in the record; None to raise.
        **settings: default settings of requests, such as `temperature`.
    """

    def __init__(
        self,
        recordings: Recordings,
        model: str,
        *,
        capabilities: Any = None,
        fallback: Any = None,
        **settings: Any,
    ) -> None:
        base: Any = super()
        base.__init__(model, **settings)
        self.model: str = model
        self.answers = ReplayAnswers(recordings, capabilities, fallback)

    @override
    def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        """Return the recorded response.

        Raises:
            UnknownCallError: The call is not in the record, and there is no fallback.
            RecordedCallError: The recorded call failed.
        """
        keywords = {**self.kwargs, **kwargs}
        keywords.pop("cache", None)
        answer = self.answers.recorded(self, {**keywords, "messages": messages}, prompt)
        if answer is None:
            return self.fallback.forward(prompt=prompt, messages=messages, **keywords)
        return response_of(answer, self.model)

    @override
    async def aforward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        """Return the recorded response, as `forward` does."""
        return await asyncio.to_thread(self.forward, prompt, messages, **kwargs)
