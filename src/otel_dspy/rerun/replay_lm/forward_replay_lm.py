"""`ForwardReplayLM`: answers from a record by `BaseLM.forward`, for versions of DSPy without engines."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import dspy
from typing_extensions import override

from otel_dspy.rerun.chat_completion import response_of
from otel_dspy.rerun.replay_lm.answers import Replaying

if TYPE_CHECKING:
    from otel_dspy.rerun.replay_lm.answers import ReplayAnswers


class ForwardReplayLM(Replaying, dspy.BaseLM):
    """A language model that answers recorded calls, matched by model, messages and settings.

    Args:
        answers: the record, and the model that gets the rest.
        model: name of the model, as recorded.
        **settings: default settings of requests, such as `temperature`.
    """

    def __init__(self, answers: ReplayAnswers, model: str, **settings: Any) -> None:
        base: Any = super()
        base.__init__(model, **settings)
        self.model: str = model
        self.answers = answers

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
