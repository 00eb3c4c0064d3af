"""Single calls answered from their record: what matches, what comes back, what the messages say."""

from __future__ import annotations

import json
import operator
from functools import partial
from typing import TYPE_CHECKING, Any

import dspy
import pydantic
import pytest
from dspy.clients import call_result
from dspy.clients.base_lm import BaseLM

import otel_dspy
from otel_dspy import RecordedCallError, RerunError, UnknownCallError
from otel_dspy.mlflow.mapping.traces.chat_messages import chat_messages
from otel_dspy.rerun.calls_by_request import Recordings
from otel_dspy.rerun.recorded_call import recorded_call
from otel_dspy.rerun.replay_lm.answers import ReplayAnswers
from otel_dspy.rerun.replay_lm.forward_replay_lm import ForwardReplayLM
from otel_dspy.rerun.replay_lm.lm_class import ReplayLM
from tests.support.in_process_lm import engine_of, in_process_lm
from tests.support.recorded_calls import call_lines, written_calls
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.span_recorder import Recorder

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")

TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "add", "parameters": {"type": "object", "properties": {}}},
}
LOGPROBS = {"content": [{"token": "4", "logprob": -0.5, "bytes": [52], "top_logprobs": []}]}
CALLS = [{"id": "call-1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}]


class Answer(pydantic.BaseModel):
    """A typed answer."""

    total: int


class Counting(BaseLM):
    """Two choices with all that an answer can have; the first text counts the calls."""

    calls = 0

    def forward(self, prompt: str | None = None, messages: Any = None, **kwargs: Any) -> Any:
        """Answer in OpenAI's format."""
        del prompt, messages, kwargs
        Counting.calls += 1
        full = {"content": f"call {self.calls}", "reasoning_content": "I think", "tool_calls": CALLS}
        made: Any = call_result
        return made.attributes(
            {
                "id": f"r{self.calls}",
                "model": "served",
                "choices": [
                    {"message": full, "finish_reason": "tool_calls", "logprobs": LOGPROBS},
                    {"message": {"content": None}, "finish_reason": "stop", "logprobs": None},
                ],
                "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
            }
        )


def echo_lm(**settings: Any) -> dspy.LM:
    """A model that answers with the question."""
    return in_process_lm(lambda messages: f"answer to {messages[-1]['content']}", **settings)


def recordings_of(recorder: Recorder, *, as_in_mlflow: bool = False) -> Recordings:
    """The calls that were recorded."""
    found: list[Any] = []
    for span in recorder.named("chat"):
        values: dict[str, Any] = dict(span.attributes or {})
        if as_in_mlflow:
            for name, shown in (("input", "mlflow.spanInputs"), ("output", "mlflow.spanOutputs")):
                messages = values.get(f"gen_ai.{name}.messages")
                if messages is not None and (chat := chat_messages(json.loads(messages))) is not None:
                    values[shown] = chat
                    del values[f"gen_ai.{name}.messages"]
        error = None if span.status.is_ok or span.status.description is None else span.status.description
        found.append(recorded_call(values, span.start_time or 0, error, "here"))
    return Recordings([call for call in found if call is not None])


@pytest.mark.parametrize("as_in_mlflow", [False, True])
@pytest.mark.parametrize(("replay", "called_a_tool"), [(ReplayLM, "tool_call"), (ForwardReplayLM, "tool_calls")])
def test_an_answer_comes_back_whole(*, as_in_mlflow: bool, replay: Any, called_a_tool: str) -> None:
    """Choices, reasoning, tool calls, logprobs, finish reasons, usage: the outputs are the same objects' data."""
    Counting.calls = 0
    asked: dict[str, Any] = {
        "n": 2,
        "logprobs": True,
        "tools": [TOOL],
        "rollout_id": 3,
        "temperature": 0.5,
        "max_tokens": 9,
    }
    messages = [{"role": "system", "content": "Add."}, {"role": "user", "content": "2+2"}]
    lm: Any = Counting("own/model", **asked)
    with recording(capture_content=True) as recorder:
        outputs = [lm(messages=messages), lm(messages=messages)]
    replayed: Any = replay(ReplayAnswers(recordings_of(recorder, as_in_mlflow=as_in_mlflow)), "own/model", **asked)
    with recording() as again:
        answered = [replayed(messages=messages), replayed.copy()(messages=messages), replayed(messages=messages)]
    assert answered == [outputs[0], outputs[1], outputs[1]]
    assert outputs[0][0] == {
        "text": "call 1", "reasoning_content": "I think", "logprobs": LOGPROBS, "tool_calls": CALLS,
    }  # fmt: skip
    (first, *_) = [dict(span.attributes or {}) for span in again.named("chat")]
    assert first["gen_ai.response.finish_reasons"] == (called_a_tool, "stop")
    assert (first["gen_ai.response.id"], first["gen_ai.response.model"]) == ("r1", "served")
    assert (first["gen_ai.usage.input_tokens"], first["dspy.lm.cost"]) == (7, 0.0)
    assert Counting.calls == 2


def test_settings_without_an_attribute_of_the_conventions_are_recorded() -> None:
    """Rollout ids and response formats, with content alone; a class as its schema."""
    lm = echo_lm()
    with recording(capture_content=True) as recorder:
        lm("1+1", rollout_id=2, temperature=1.0, response_format=Answer)
        lm("1+1")
    one, other = [dict(span.attributes or {}) for span in recorder.named("chat")]
    assert json.loads(str(one["dspy.lm.request.settings"])) == {
        "rollout_id": 2,
        "response_format": {
            "name": "Answer",
            "schema": {
                "description": "A typed answer.",
                "properties": {"total": {"title": "Total", "type": "integer"}},
                "required": ["total"],
                "title": "Answer",
                "type": "object",
            },
        },
    }
    assert "dspy.lm.request.settings" not in other
    with recording() as recorder:
        lm("1+1", rollout_id=2, temperature=1.0)
    assert "dspy.lm.request.settings" not in dict(recorder.named("chat")[0].attributes or {})


def test_settings_stay_out_of_spans_where_messages_go_to_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """With `EVENT_ONLY` no content is on a span."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "EVENT_ONLY")
    with recording() as recorder:
        echo_lm()("1+1", rollout_id=2, temperature=1.0)
    (span,) = recorder.named("chat")
    assert "dspy.lm.request.settings" not in dict(span.attributes or {})


def test_messages_of_unknown_calls() -> None:
    """What differs from the nearest recorded call: model, messages, settings."""
    lm = echo_lm(temperature=0.5)
    with recording(capture_content=True) as recorder:
        lm("1+1")
        lm("2+2", rollout_id=1, temperature=1.0)
    found = recordings_of(recorder)
    replayed: Any = ReplayLM(ReplayAnswers(found), "openai/scripted", temperature=0.5)
    same = replayed("1+1")
    assert same == lm("1+1")
    with pytest.raises(
        UnknownCallError, match=r"nearest recorded one \(here\): temperature is 0\.7, recorded is 0\.5\. Pass"
    ):
        replayed("1+1", temperature=0.7)
    with pytest.raises(UnknownCallError, match=r": message 1 \(user\) has another content\. Pass fallback="):
        replayed("5+5")
    with pytest.raises(UnknownCallError, match=r"rollout_id is 2\.0, recorded is 1\.0"):
        replayed("2+2", rollout_id=2, temperature=1.0)
    other: Any = ReplayLM(ReplayAnswers(found), "openai/other", temperature=0.5)
    with pytest.raises(UnknownCallError, match=r"the model is openai/other, recorded are openai/scripted\. Pass"):
        other("1+1")
    assert (found.answered, found.unknown) == (1, 4)


def test_an_unknown_call_goes_to_the_fallback() -> None:
    """And only that one."""
    lm = echo_lm()
    with recording(capture_content=True) as recorder:
        lm("1+1")
    asked: list[Any] = []

    def counting(messages: Any) -> str:
        asked.append(messages)
        return "from the model"

    engine_of(lm).script = counting
    replayed: Any = ReplayLM(ReplayAnswers(recordings_of(recorder), fallback=lm), "openai/scripted")
    assert [replayed("1+1"), replayed("7+1")] == [["answer to 1+1"], ["from the model"]]
    assert len(asked) == 1


async def test_a_call_that_failed_fails_again() -> None:
    """With the type and the message of its exception, awaited too."""
    lm = echo_lm()
    engine_of(lm).failures = [dspy.lm15.ServerError("busy")]
    with recording(capture_content=True) as recorder, pytest.raises(Exception, match="busy"):
        lm("1+1")
    replayed: Any = ReplayLM(ReplayAnswers(recordings_of(recorder)), "openai/scripted")
    with pytest.raises(RecordedCallError, match=r"The recorded call failed: dspy\.\S*LMServerError: .*busy"):
        await replayed.acall("1+1")


def test_files(tmp_path: Path) -> None:
    """A file of OTLP JSON, a request a line, as the Collector's file exporter and the spool write it; one line is torn."""
    lm = echo_lm()
    with recording(capture_content=True) as recorder:
        expected: list[Any] = [lm("1+1"), lm("2+2")]
    lines = call_lines(recorder)
    file = tmp_path / "spans.jsonl"
    file.write_text("\n".join([*reversed(lines), lines[0][:50]]), encoding="utf-8")
    for path in (file, str(file), tmp_path):
        replayed: Any = otel_dspy.replay_lm(path)
        assert [replayed("1+1"), replayed("2+2")] == expected
    file.write_text("nothing\n", encoding="utf-8")
    with pytest.raises(RerunError, match="is not OTLP JSON with a request a line"):
        otel_dspy.replay_lm(file)
    with pytest.raises(RerunError, match=r"missing\.jsonl cannot be read: No such file"):
        otel_dspy.replay_lm(tmp_path / "missing.jsonl")


def test_files_need_no_mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a run does: the message names the extra."""
    with recording(capture_content=True) as recorder:
        echo_lm()("1+1")
    file = written_calls(recorder, tmp_path)
    monkeypatch.setattr("otel_dspy.rerun.replay_lm.api.is_installed", partial(operator.ne, "mlflow"))
    assert otel_dspy.replay_lm(file).recordings.models == {"openai/scripted": 1}
    with pytest.raises(RerunError, match=r"MLflow, which is missing\. Install otel-dspy\[mlflow\], or pass files"):
        otel_dspy.replay_lm("latest")


def test_without_recorded_messages(tmp_path: Path) -> None:
    """The message gives the number of calls, and how to record messages."""
    with recording() as recorder:
        echo_lm()("1+1")
    file = written_calls(recorder, tmp_path)
    with pytest.raises(
        RerunError, match=r"has 1 language model calls, none with its messages\. .*capture_content=True"
    ):
        otel_dspy.replay_lm(file)


def test_the_model_must_be_a_recorded_one(tmp_path: Path) -> None:
    """Else the recorded ones are named; settings are those of the first call."""
    with recording(capture_content=True) as recorder:
        echo_lm(temperature=0.5, max_tokens=20)("1+1", rollout_id=4)
    file = written_calls(recorder, tmp_path)
    with pytest.raises(RerunError, match=r"no calls of gpt, but of openai/scripted: pass one of them as model="):
        otel_dspy.replay_lm(file, model="gpt")
    replayed = otel_dspy.replay_lm(file, model="scripted")
    assert (replayed.model, replayed.kwargs) == ("openai/scripted", {"temperature": 0.5, "max_tokens": 20.0})
