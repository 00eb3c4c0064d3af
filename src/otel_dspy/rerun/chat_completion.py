"""Answers as responses in the format of OpenAI's chat completions, and as the outputs that DSPy returns for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pydantic

from otel_dspy.rerun.recorded_call import Answer, Choice


class Fields(dict[str, Any]):
    """Part of a response, whose fields DSPy reads as items or as attributes, by version."""

    def __getattr__(self, name: str) -> Any:
        """Return an item.

        Raises:
            AttributeError: There is none of this name.
        """
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def response_of(answer: Answer, model: str) -> Fields:
    """Return an answer as a response.

    Args:
        answer: one that did not fail.
        model: name of the model, for answers that have none.
    """
    return Fields(
        id=answer.response_id,
        model=answer.model or model,
        choices=[_choice(index, choice) for index, choice in enumerate(answer.choices)],
        usage=dict(answer.usage or {}),
        _hidden_params={"response_cost": answer.cost},
    )


def answer_of(response: object) -> Answer:
    """Read a response, such as one of LiteLLM."""
    body: dict[str, Any] = plain(response)
    hidden: Mapping[str, Any] = getattr(response, "_hidden_params", None) or {}
    return Answer(
        tuple(_choice_of(choice) for choice in body.get("choices") or ()),
        body.get("model"),
        body.get("id"),
        body.get("usage"),
        cost=hidden.get("response_cost"),
    )


def outputs_of(answer: Answer, *, logprobs: bool) -> list[Any]:
    """Return what a language model returns for an answer: texts, or mappings where a choice has more than a text.

    Args:
        answer: one that did not fail.
        logprobs: whether the call asked for them.
    """
    outputs: list[dict[str, Any]] = []
    for index, choice in enumerate(answer.choices):
        made = _choice(index, choice)
        message: Fields = made["message"]
        output: dict[str, Any] = {"text": choice.text}
        if choice.reasoning:
            output["reasoning_content"] = choice.reasoning
        if logprobs:
            output["logprobs"] = made.get("logprobs")
        if choice.tool_calls:
            output["tool_calls"] = message["tool_calls"]
        if (choice.fields or {}).get("citations"):
            output["citations"] = message["provider_specific_fields"]["citations"]
        outputs.append(output)
    return [output["text"] for output in outputs] if all(len(output) == 1 for output in outputs) else [*outputs]


def _choice(index: int, choice: Choice) -> Fields:
    message = Fields(role="assistant", content=choice.text)
    if choice.reasoning is not None:
        message["reasoning_content"] = choice.reasoning
    if choice.tool_calls:
        message["tool_calls"] = [_fields(call) for call in choice.tool_calls]
    made = Fields(index=index, finish_reason=choice.finish_reason, message=message)
    fields = choice.fields or {}
    if "logprobs" in fields:
        made["logprobs"] = _fields(_texts_as_tokens(fields["logprobs"]))
    if "citations" in fields:
        message["provider_specific_fields"] = {"citations": fields["citations"]}
    return made


def _choice_of(choice: Mapping[str, Any]) -> Choice:
    message: Mapping[str, Any] = choice.get("message") or {}
    specific: Mapping[str, Any] = message.get("provider_specific_fields") or {}
    groups: list[Any] = specific.get("citations") or []
    lists = [cast("list[Any]", group) if isinstance(group, list) else [group] for group in groups]
    found: dict[str, Any] = {"logprobs": choice.get("logprobs"), "citations": [one for some in lists for one in some]}
    fields = {name: value for name, value in found.items() if value}
    text, calls = message.get("content", choice.get("text")), message.get("tool_calls") or ()
    return Choice(text, message.get("reasoning_content"), tuple(calls), choice.get("finish_reason"), fields or None)


def _texts_as_tokens(value: Any) -> Any:
    """Restore the field `token`, which is recorded as `text`."""
    if isinstance(value, Mapping):
        found = cast("Mapping[str, Any]", value)
        return {"token" if name == "text" else name: _texts_as_tokens(item) for name, item in found.items()}
    return [_texts_as_tokens(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value


def _fields(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Fields({name: _fields(item) for name, item in cast("Mapping[str, Any]", value).items()})
    return [_fields(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value


def plain(value: Any) -> Any:
    """Return a response as dicts and lists. Its own serializers warn where a provider returned other types."""
    if isinstance(value, pydantic.BaseModel):
        value = dict(value)
    if isinstance(value, Mapping):
        return {name: plain(item) for name, item in cast("Mapping[str, Any]", value).items()}
    return [plain(item) for item in cast("list[Any]", value)] if isinstance(value, list | tuple) else value
