"""One call of a model that replays: what it was made with, and its answer, one choice after the other."""

from __future__ import annotations

from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import dspy

from otel_dspy.rerun.chat_completion import outputs_of, plain, response_of
from otel_dspy.rerun.errors import UnknownCallError
from otel_dspy.rerun.recorded_call import Answer, Choice

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from otel_dspy.rerun.replay_lm.answers import ReplayAnswers

lm15: Any = getattr(dspy, "lm15", None)
_CURRENT: ContextVar[ReplayCall | None] = ContextVar("otel_dspy_replay_call", default=None)
_NO_SETTINGS: Final = ("cache", "request")
_NUMBERS: Final = ("max_tokens", "temperature", "top_p", "top_k", "seed", "frequency_penalty", "presence_penalty")
"""Fields of `lm15.Config` with the name of the setting."""


@dataclass
class ReplayCall:
    """A call. DSPy requests its choices from the engine one by one.

    Attributes:
        answers: answers the call.
        lm: the model that was called.
        prompt: the prompt, or an `lm15.Request`; None if there are messages.
        messages: the messages, or None.
        kwargs: the other arguments of the call.
        answer: the answer, once the engine was called.
        error: what the engine raised.
    """

    answers: ReplayAnswers
    lm: Any
    prompt: Any
    messages: Any
    kwargs: Mapping[str, Any]
    answer: Answer | None = None
    error: Exception | None = None
    _bodies: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    @property
    def typed(self) -> Any:
        """The `lm15.Request`; None if there is none."""
        given = (self.prompt, self.kwargs.get("request"))
        return next((one for one in given if isinstance(one, lm15.Request)), None)

    @property
    def chat(self) -> Any:
        """The messages, or the prompt as one."""
        return self.messages or [{"role": "user", "content": self.prompt}]

    @property
    def keywords(self) -> dict[str, Any]:
        """Settings of the model and the call, with the messages."""
        given = {name: value for name, value in self.kwargs.items() if name not in _NO_SETTINGS}
        return {**self.lm.kwargs, **given, "messages": self.messages}

    @property
    def history(self) -> dict[str, Any]:
        """Fields of its entry in the history that DSPy does not have as the call was made and answered."""
        if self.answer is None:
            return {}
        cost = {"cost": self.answer.cost}
        if self.typed is not None:
            return cost
        kwargs = {name: value for name, value in self.kwargs.items() if not name.startswith("api_")}
        return cost | {"prompt": self.prompt, "messages": self.messages, "kwargs": kwargs, "outputs": self.outputs}

    @contextmanager
    def current(self) -> Generator[None]:
        """Make it the one that `current_call` returns while the block runs. Errors are those of the engine."""
        token = _CURRENT.set(self)
        try:
            yield
        except Exception:
            if self.error is not None:
                raise self.error from None
            raise
        finally:
            _CURRENT.reset(token)

    @property
    def outputs(self) -> list[Any]:
        """What the model returns. DSPy's conversion of a typed response has fewer fields."""
        return [] if self.answer is None else outputs_of(self.answer, logprobs=bool(self.keywords.get("logprobs")))

    def next_response(self) -> Any:
        """Return the next choice as `lm15.Response`; an empty text after the last one.

        Raises:
            UnknownCallError: The call is not in the record, and there is no fallback.
            RecordedCallError: The recorded call failed.
        """
        if self.answer is None:
            token = _CURRENT.set(None)  # the fallback may replay as well
            try:
                self.answer = self.answers.answer(self.lm, self.keywords, self.prompt or self.typed)
            except Exception as error:
                self.error = error
                raise
            finally:
                _CURRENT.reset(token)
            self._bodies = _bodies(self.answer, self.lm.model)
        if not self._bodies:  # DSPy requests as many choices as the call asked for
            self._bodies = _bodies(Answer((Choice(""),)), self.lm.model)
        return lm15.response_from_openai_chat(self._bodies.pop(0))


def current_call() -> ReplayCall | None:
    """Return the call that is being answered in this context."""
    return _CURRENT.get()


def call_of(request: Any, answers: ReplayAnswers) -> ReplayCall:
    """Return the current call. Without one the engine was called by itself: then the request's texts are the messages.

    Args:
        request: the `lm15.Request`.
        answers: answers a call that is made of the request.

    Raises:
        UnknownCallError: The request has other content than text, which is recorded as OpenAI has it.
    """
    current = _CURRENT.get()
    if current is not None:
        return current
    system = () if request.system is None else (lm15.Message(role="user", parts=request.system),)
    texts = [(message.role, message.text) for message in request.messages]
    texts = [*(("system", message.text) for message in system), *texts]
    if any(text is None for _, text in texts):
        raise UnknownCallError("The call has messages of more than text. Call the model instead of its engine.")
    config = request.config
    keywords: dict[str, Any] = {**(config.extensions or {}), "stop": list(config.stop)}
    keywords |= {name: getattr(config, name) for name in _NUMBERS}
    messages = [{"role": role, "content": text} for role, text in texts]
    return ReplayCall(answers, SimpleNamespace(model=request.model, kwargs={}), None, messages, keywords)


def _bodies(answer: Answer, model: str) -> list[dict[str, Any]]:
    """Return a response for each choice. The first one has the usage of all, and the cost as OpenRouter reports it."""
    whole: dict[str, Any] = plain(response_of(answer, model))
    bodies: list[dict[str, Any]] = [
        {"id": whole["id"], "model": whole["model"], "choices": [choice], "usage": {"cost": 0.0}}
        for choice in whole["choices"]
    ]
    if bodies:
        bodies[0]["usage"] = {**whole["usage"], "cost": answer.cost}
    return bodies
