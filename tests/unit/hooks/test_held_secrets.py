"""Secrets that objects hold, and texts of tools: what is recorded of either contains none."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import dspy
from dspy.utils.exceptions import LMUnexpectedError

from tests.support.addition_task import exact, examples
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KEY = "k3y-of-the-house"
_dspy: Any = dspy


def look_up(question: str, api_key: str = KEY, pin: str = "max@example.org") -> str:
    """Look up, as max@example.org does, at https://ann:tall%20oak@host/x."""
    return f"{question} by {api_key}, {pin}"


def _agent() -> Any:
    return _dspy.ReAct("question -> answer", tools=[look_up], max_iters=1)


def _lm(tool: str = "look_up") -> Any:
    steps: dict[str, Callable[[Mapping[str, str]], str]] = {
        "next_tool_name": lambda _: tool,
        "next_tool_args": lambda _: '{"question": "1"}',
    }
    return in_process_lm(dspy_script(steps))


def test_the_default_of_a_tools_argument_stays_in() -> None:
    """In an agent's definitions, its prompts, its tools' results and its state, though the tool was made before."""
    agent = _agent()
    with dspy.context(lm=_lm()), recording(capture_content=True) as recorder:
        _dspy.Evaluate(devset=examples(1), metric=exact, display_progress=False, num_threads=1)(agent)
    texts = [str(value) for span in recorder.spans for value in (span.attributes or {}).values()]
    assert any("look_up" in text and "[redacted]" in text for text in texts)
    assert not [text for text in texts if KEY in text or "tall%20oak" in text]


def test_a_short_default_under_a_secrets_name_stays_in_the_definitions_alone() -> None:
    """It is too short to be distinguished from data elsewhere."""

    def short(question: str, password: str = "q7") -> str:  # noqa: S107 - what is looked for
        return question + password

    with dspy.context(lm=_lm("short")), recording(capture_content=True) as recorder:
        _dspy.ReAct("question -> answer", tools=[short], max_iters=1)(question="1+2")
    recorded = [(span.attributes or {}).get("gen_ai.tool.definitions") for span in recorder.spans]
    definitions = json.loads(str(next(text for text in recorded if text)))
    assert definitions[0]["parameters"]["properties"]["password"] == {"type": "string", "default": "[redacted]"}


def test_the_texts_of_tools_go_through_the_redactor_and_are_cut() -> None:
    """Descriptions and defaults too, each under the name of its attribute."""
    names: set[str] = set()

    def redact(name: str, text: str) -> str:
        names.add(name)
        return text.replace("max@example.org", "<mail>")

    with dspy.context(lm=_lm()), recording(capture_content=True, redact=redact, max_content_length=25) as recorder:
        _agent()(question="1+2")
    recorded = {name: str(text) for span in recorder.spans for name, text in (span.attributes or {}).items()}
    assert not [text for text in recorded.values() if "max@" in text]
    definition = json.loads(recorded["gen_ai.tool.definitions"])[0]
    assert definition["description"] == "Look up, as <mail> does, at https://ann:tall%20oak@host/x."[:25]
    assert definition["parameters"]["properties"]["pin"]["default"] == "<mail>"
    called = [span for span in recorder.spans if span.name == "execute_tool look_up"]
    assert (called[0].attributes or {})["gen_ai.tool.description"] == definition["description"]
    assert names >= {
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.tool.call.arguments",
        "gen_ai.tool.call.result",
        "gen_ai.tool.definitions",
        "gen_ai.tool.description",
    }
    assert "value" not in names


class _Holder:
    """Fails, with the key in the message."""

    def __init__(self) -> None:
        self._api_key = KEY

    def complete(self, *_: Any, **__: Any) -> Any:
        raise PermissionError(f"401 for {self._api_key}")

    __call__ = complete


class _OwnLM(dspy.BaseLM):
    def __init__(self) -> None:
        super().__init__("own/model")
        self.client = _Holder()

    def forward(self, prompt: object = None, messages: object = None, **kwargs: Any) -> Any:
        return self.client.complete(prompt, messages, **kwargs)


def test_what_models_and_retrievers_hold_stays_in() -> None:
    """In an attribute of a secret's name, of their own or of what they work with."""
    with recording() as recorder:
        with contextlib.suppress(PermissionError):
            _OwnLM()("hello")
        with contextlib.suppress(LMUnexpectedError):
            dspy.LM("own/model", engine=_Holder(), cache=False, num_retries=0)("hello")
        with contextlib.suppress(PermissionError), dspy.context(rm=_Holder()):
            _dspy.Retrieve()("hello")
        with contextlib.suppress(PermissionError):
            _dspy.Embedder(_Holder())(["hello"])
    texts = [span.status.description for span in recorder.spans]
    assert texts == ["401 for [redacted]", "[own/model] 401 for [redacted]", *["401 for [redacted]"] * 2]
