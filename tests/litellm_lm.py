"""The scripted language model of `in_process_lm` for a DSPy that has no engines: it answers as litellm does.

It needs nothing of DSPy but `dspy.LM`, whose `forward` and `aforward` it has in its own way.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any

import dspy
from litellm.types.utils import ModelResponse

if TYPE_CHECKING:
    from tests.lm_server import Message, Script


class LitellmScriptedLM(dspy.LM):
    """Answers each request with what the script says: 10 tokens in, 5 out, ids in order of the calls."""

    def __init__(self, script: Script, model: str, **kwargs: Any) -> None:
        super().__init__(model, **kwargs)
        self.script = script
        self.failures: list[Exception] = []
        """Raised one a call, in order, before anything is answered."""
        self._numbers = itertools.count(1)

    def __deepcopy__(self, memo: dict[int, Any]) -> LitellmScriptedLM:
        """A copy has the same script and counts on with the original."""
        copied = object.__new__(type(self))
        memo[id(self)] = copied
        vars(copied).update(vars(self), kwargs=dict(self.kwargs))
        return copied

    def forward(self, prompt: str | None = None, messages: list[dict[str, Any]] | None = None, **kwargs: Any) -> Any:
        """Answer one request."""
        del kwargs
        if self.failures:
            raise self.failures.pop(0)
        asked: list[Message] = list(messages) if messages else [{"role": "user", "content": prompt or ""}]
        return ModelResponse(
            id=f"response-{next(self._numbers)}",
            model="scripted-2026",
            choices=[
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": str(self.script(asked))},
                }
            ],
            usage={
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 15,
                "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
        )

    async def aforward(
        self, prompt: str | None = None, messages: list[dict[str, Any]] | None = None, **kwargs: Any
    ) -> Any:
        """Answer one request, after giving way to other tasks once."""
        await asyncio.sleep(0)
        return self.forward(prompt, messages, **kwargs)
