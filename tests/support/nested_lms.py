"""Language models that call themselves or other models, and a callback that calls a judge model."""

from __future__ import annotations

import dataclasses
from typing import Any, Final, cast

import dspy
from dspy.clients.base_lm import BaseLM
from dspy.clients.call_result import AttributeDict
from dspy.utils.callback import BaseCallback

ANSWER: Final = "[[ ## answer ## ]]\n0"
USED: Final = {"prompt_tokens": 7, "completion_tokens": 3}


def answers(_messages: object) -> str:
    """The same answer to everything."""
    return ANSWER


def _response(usage: dict[str, int], id_: str | None = None) -> Any:
    choice = {"message": {"content": ANSWER}, "finish_reason": "stop"}
    return AttributeDict({"id": id_, "model": "served", "choices": [choice], "usage": usage})


class Voting(dspy.LM):
    """Asks itself three times."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The last of three answers."""
        return [cast("Any", super(Voting, self).__call__)(*args, **kwargs) for _ in range(3)][-1]

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        """The same, awaited."""
        return [await cast("Any", super(Voting, self).acall)(*args, **kwargs) for _ in range(3)][-1]


class Asking(BaseLM):
    """Asks the others by way of its own `__call__`."""

    def __init__(self, *others: BaseLM) -> None:
        super().__init__("house/asking")
        self.others = others

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The last one's answer."""
        return [cast("Any", other)(*args, **kwargs) for other in self.others][-1]


class Mixture(Asking):
    """Asks the others in `forward`, which DSPy takes for a call of its own, with this usage."""

    def __init__(self, *others: BaseLM, usage: dict[str, int]) -> None:
        super().__init__(*others)
        self.usage = usage

    __call__ = cast("Any", BaseLM).__call__

    def forward(self, prompt: str | None = None, messages: Any = None, **kwargs: Any) -> Any:
        """An answer after all of theirs."""
        del kwargs
        for other in self.others:
            cast("Any", other)(prompt=prompt, messages=messages)
        return _response(self.usage)


class Forwarding:
    """An engine that hands requests to another model and returns its response as it is."""

    def __init__(self, inner: dspy.LM) -> None:
        self.inner = inner

    def complete(self, request: Any) -> Any:
        """The other model's response."""
        return cast("Any", self.inner)(dataclasses.replace(request, model=self.inner.model))


class Asks(BaseCallback):
    """Asks a judge before or after each call of another model."""

    def __init__(self, judge: BaseLM, *, first: bool) -> None:
        self.judge, self.first = judge, first
        self.asking = False

    def on_lm_start(self, call_id: str, instance: Any, inputs: Any) -> None:
        """Before."""
        del call_id, instance, inputs
        if self.first:
            self._ask()

    def on_lm_end(self, call_id: str, outputs: Any, exception: Any = None) -> None:
        """After."""
        del call_id, outputs, exception
        if not self.first:
            self._ask()

    def _ask(self) -> None:
        if not self.asking:
            self.asking = True
            cast("Any", self.judge)("Is this fine?")
            self.asking = False
