"""The model that replays as an engine of DSPy 3.4: no deprecated interface, the answers of the one by `forward`."""

from __future__ import annotations

import asyncio
import copy
import gc
from typing import TYPE_CHECKING, Any, cast

import dspy
import pytest
from dspy.lm15 import Message, Request

import otel_dspy
from otel_dspy import RecordedCallError, UnknownCallError
from otel_dspy.rerun.chat_completion import Fields
from otel_dspy.rerun.replay_lm.answers import ReplayAnswers
from otel_dspy.rerun.replay_lm.forward_replay_lm import ForwardReplayLM
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.in_process_lm import engine_of, in_process_lm
from tests.support.recorded_calls import written_calls
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings(
    "error",
    "ignore:'asyncio.iscoroutinefunction' is deprecated:DeprecationWarning",  # used by DSPy 3.4.1, on Python 3.14
)
DOCUMENT = [
    {"role": "user", "content": [{"type": "document", "source": {"type": "text", "data": "1+1"}, "title": "Sums"}]}
]
"""Messages of `dspy.Document`, for which DSPy's engines have no type."""


@pytest.fixture(autouse=True, scope="module")
def _garbage_of_other_tests() -> None:
    """Never collect it: its warnings, such as of sockets that were left open, would be errors of these tests."""
    gc.freeze()


def echo_lm(**settings: Any) -> Any:
    """A model that answers with the question."""
    return in_process_lm(lambda messages: f"answer to {messages[-1]['content']}", **settings)


def recorded(folder: Path, calls: Callable[[], Any]) -> tuple[Path, Any]:
    """A file with the calls, and what they returned."""
    with recording(capture_content=True) as recorder:
        returned = calls()
    return written_calls(recorder, folder), returned


def test_programs_run_without_a_warning(tmp_path: Path) -> None:
    """On threads, awaited, with several choices: each answer is the recorded one, and none is sent."""
    lm = addition_lm()

    def calls(lm: Any) -> list[Any]:
        program: Any = dspy.Predict("question -> answer")
        several: Any = dspy.Predict("question -> answer", n=2, temperature=1.0)
        with dspy.context(lm=lm):
            scored: Any = dspy.Evaluate(devset=examples(4), metric=exact, num_threads=2)(program)
            awaited: Any = asyncio.run(program.acall(question="3+1"))
            return [scored.score, awaited.answer, several(question="5+1").completions.answer]

    file, returned = recorded(tmp_path, lambda: calls(lm))
    replayed = otel_dspy.replay_lm(file)
    assert calls(replayed) == returned
    assert (replayed.recordings.answered, replayed.recordings.unknown) == (6, 0)
    assert returned[1:] == ["4", ["6", "6"]]
    with pytest.raises(DeprecationWarning, match=r"BaseLM\.forward"):
        calls(ForwardReplayLM(ReplayAnswers(replayed.recordings), replayed.model))


def test_what_an_engine_has_no_type_for_is_answered_too(tmp_path: Path) -> None:
    """A document, and a setting: matched as they were sent, and in the history as well."""
    with pytest.warns(DeprecationWarning, match="is deprecated"):
        file, _ = recorded(tmp_path, lambda: _forward_lm()(messages=DOCUMENT, reasoning={"effort": "low"}))
    replayed: Any = otel_dspy.replay_lm(file)
    assert replayed(messages=DOCUMENT, reasoning={"effort": "low"}) == ["two"]
    entry = replayed.history[-1]
    assert (entry["messages"], entry["kwargs"]) == (DOCUMENT, {"reasoning": {"effort": "low"}})
    assert (entry["prompt"], entry["outputs"], entry["cost"]) == (None, ["two"], 0.0)
    with pytest.raises(UnknownCallError, match=r"reasoning is \{'effort': 'high'\}, recorded is \{'effort': 'low'\}"):
        replayed(messages=DOCUMENT, reasoning={"effort": "high"})


def _forward_lm() -> Any:
    class Own(dspy.BaseLM):
        def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
            del prompt, messages, kwargs
            return Fields(model="own", choices=[Fields(message=Fields(content="two"))])

    return Own("own/model")


def test_typed_requests(tmp_path: Path) -> None:
    """An `lm15.Request` is answered by a response, and one of an engine that is called by itself as well."""
    lm = echo_lm()
    typed = Request(model="openai/scripted", messages=(Message.user("1+1"),))
    file, returned = recorded(tmp_path, lambda: lm(typed))
    replayed: Any = otel_dspy.replay_lm(file)
    assert returned.text == "answer to 1+1"
    assert replayed(typed).text == "answer to 1+1"
    assert asyncio.run(replayed.acall(typed)).text == "answer to 1+1"
    with pytest.raises(UnknownCallError, match="another content"):
        replayed(Request(model="openai/scripted", messages=(Message.user("2+2"),)))


def test_a_stream(tmp_path: Path) -> None:
    """The answer arrives as one chunk. DSPy's listeners take such a one for a cached answer, and pass the result on."""
    file, _ = recorded(tmp_path, lambda: sums_program(addition_lm()))
    replayed = otel_dspy.replay_lm(file)

    async def received(*listeners: Any) -> list[Any]:
        streamify, program = cast("Any", dspy.streamify), dspy.Predict("question -> answer")
        with dspy.context(lm=replayed):
            return [chunk async for chunk in streamify(program, stream_listeners=[*listeners])(question="1+1")]

    *chunks, prediction = asyncio.run(received())
    assert [chunk.choices[0].delta.content for chunk in chunks] == [
        "[[ ## answer ## ]]\n2\n\n[[ ## completed ## ]]\n",
        None,
    ]
    assert prediction.answer == "2"
    *_, prediction = asyncio.run(received(dspy.streaming.StreamListener(signature_field_name="answer")))
    assert prediction.answer == "2"


def sums_program(lm: Any) -> Any:
    """A sum."""
    with dspy.context(lm=lm):
        return dspy.Predict("question -> answer")(question="1+1")


def test_a_model_that_replays_as_fallback(tmp_path: Path) -> None:
    """The calls of two records: each answers its own."""
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    lm = echo_lm()
    one, _ = recorded(tmp_path / "one", lambda: lm("1+1"))
    other, _ = recorded(tmp_path / "other", lambda: lm("2+2", stop=["."]))
    second: Any = otel_dspy.replay_lm(other)
    first: Any = otel_dspy.replay_lm(one, fallback=second)
    assert first("1+1") == ["answer to 1+1"]
    assert first("2+2", stop=["."]) == ["answer to 2+2"]
    with pytest.raises(UnknownCallError, match="another content"):
        first("3+3")
    assert second.forward("2+2", stop=["."]).choices[0].message.content == "answer to 2+2"
    assert [first.recordings.answered, second.recordings.answered] == [1, 2]


def test_errors_are_those_of_the_record(tmp_path: Path) -> None:
    """DSPy wraps what an engine raises; the caller gets the error itself."""
    lm = echo_lm()
    engine_of(lm).failures = [dspy.lm15.ServerError("busy")]

    def call() -> None:
        with pytest.raises(dspy.utils.exceptions.LMServerError):
            lm("1+1")

    file, _ = recorded(tmp_path, call)
    replayed: Any = otel_dspy.replay_lm(file, num_retries=3)
    with pytest.raises(RecordedCallError, match=r"LMServerError: .*busy"):
        replayed("1+1")
    assert replayed.recordings.answered == 1


def test_copies_and_states(tmp_path: Path) -> None:
    """Settings of a connection stay out; copies, deep ones too, continue the record; the state has no record."""
    lm = echo_lm()
    file, _ = recorded(tmp_path, lambda: [lm("1+1"), lm("1+1", rollout_id=1, temperature=1.0)])
    like = dspy.LM("openai/scripted", api_key="sk-planted", api_base="http://127.0.0.1:1", num_retries=7)
    replayed: Any = otel_dspy.replay_lm(file, like=like)
    assert replayed.copy(rollout_id=1, temperature=1.0)("1+1") == ["answer to 1+1"]
    assert copy.deepcopy(replayed)("1+1", api_key="sk-planted") == ["answer to 1+1"]
    assert replayed.recordings.answered == 2
    program: Any = dspy.Predict("question -> answer")
    program.set_lm(replayed)
    assert program.dump_state()["lm"]["model"] == "openai/scripted"


def test_the_settings_of_a_reasoning_model(tmp_path: Path) -> None:
    """DSPy gives `max_tokens` another name for these models; the record has that name."""
    lm = echo_lm(model="openai/gpt-5", temperature=1.0, max_tokens=16000)
    file, returned = recorded(tmp_path, lambda: lm("1+1"))
    for replayed in (otel_dspy.replay_lm(file), otel_dspy.replay_lm(file, like=lm)):
        assert cast("Any", replayed)("1+1") == returned
