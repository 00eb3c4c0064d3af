"""`ReplayLM`: a language model that answers from a record."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import dspy
from typing_extensions import override

from otel_dspy.rerun.errors import RecordedCallError, UnknownCallError
from otel_dspy.rerun.made_request import RequestReader

if TYPE_CHECKING:
    from otel_dspy.rerun.recorded_call import Answer, Choice
    from otel_dspy.rerun.recordings import Recordings


class _Fields(dict[str, Any]):
    """Part of a response, whose fields DSPy reads as items or as attributes, by version."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


class ReplayLM(dspy.BaseLM):
    """A language model that answers recorded calls, matched by model, messages and settings.

    Args:
        recordings: the recorded calls.
        model: name of the model, as recorded.
        capabilities: model whose supported features it reports; None for those that DSPy knows by the name.
        fallback: model that gets calls that are not in the record; None to raise.
        **settings: default settings of requests, such as `temperature`.

    Attributes:
        recordings: the recorded calls; `answered` and `unknown` count the calls so far.
        fallback: see above.
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
        self.recordings = recordings
        self.fallback = fallback
        self._features = _Shared(capabilities or fallback)
        self._reader = _Shared(RequestReader())

    @override
    def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        """Return the recorded response.

        Raises:
            UnknownCallError: The call is not in the record, and there is no fallback.
            RecordedCallError: The recorded call failed.
        """
        keywords = {**self.kwargs, **kwargs}
        keywords.pop("cache", None)
        answer = self._answer({**keywords, "messages": messages}, prompt)
        if answer is None:
            return self.fallback.forward(prompt=prompt, messages=messages, **keywords)
        if answer.error is not None:
            raise RecordedCallError(f"The recorded call failed: {answer.error}")
        return _response(answer, self.model)

    def _answer(self, keywords: Mapping[str, Any], prompt: Any) -> Answer | None:
        """Return the recorded answer; None if the fallback gets the call.

        Raises:
            UnknownCallError: The call is not in the record, and there is no fallback.
        """
        try:
            request = self._reader.value.read(self, keywords, prompt)
        except UnknownCallError:
            if self.fallback is None:
                raise
            return None
        return self.recordings.answer(request) if self.fallback is None else self.recordings.known(request)

    @override
    async def aforward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        """Return the recorded response, as `forward` does."""
        return await asyncio.to_thread(self.forward, prompt, messages, **kwargs)

    @property
    @override
    def supports_function_calling(self) -> bool:
        return bool(self._feature("supports_function_calling"))

    @property
    @override
    def supports_reasoning(self) -> bool:
        return bool(self._feature("supports_reasoning"))

    @property
    @override
    def supports_response_schema(self) -> bool:
        return bool(self._feature("supports_response_schema"))

    @property
    @override
    def supported_params(self) -> set[str]:
        return set(self._feature("supported_params") or ())

    def _feature(self, name: str) -> Any:
        if self._features.value is None:
            self._features.value = dspy.LM(self.model)
        return getattr(self._features.value, name, None)


class _Shared:
    """A value that copies of a model share, deep ones too."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __deepcopy__(self, _memo: dict[int, Any]) -> _Shared:
        return self


def _response(answer: Answer, model: str) -> _Fields:
    """Return a response in the format of OpenAI's chat completions. It costs nothing."""
    return _Fields(
        id=answer.response_id,
        model=answer.model or model,
        choices=[_choice(index, choice) for index, choice in enumerate(answer.choices)],
        usage=dict(answer.usage or {}),
        _hidden_params={"response_cost": 0.0},
    )


def _choice(index: int, choice: Choice) -> _Fields:
    message = _Fields(role="assistant", content=choice.text)
    if choice.reasoning is not None:
        message["reasoning_content"] = choice.reasoning
    if choice.tool_calls:
        message["tool_calls"] = [_fields(call) for call in choice.tool_calls]
    made = _Fields(index=index, finish_reason=choice.finish_reason, message=message)
    fields = choice.fields or {}
    if "logprobs" in fields:
        made["logprobs"] = _fields(_texts_as_tokens(fields["logprobs"]))
    if "citations" in fields:
        message["provider_specific_fields"] = {"citations": fields["citations"]}
    return made


def _texts_as_tokens(value: Any) -> Any:
    """Restore the field `token`, which is recorded as `text`."""
    if isinstance(value, Mapping):
        found = cast("Mapping[str, Any]", value)
        return {"token" if name == "text" else name: _texts_as_tokens(item) for name, item in found.items()}
    return [_texts_as_tokens(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value


def _fields(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _Fields({name: _fields(item) for name, item in cast("Mapping[str, Any]", value).items()})
    return [_fields(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value
