"""Data of every size and kind: recorded piece by piece, and the program meets what it would meet without us."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Final

import dspy
import pytest
from dspy.teleprompt import Teleprompter
from inline_snapshot import snapshot

from otel_dspy.telemetry.content.payloads import PIECE_BYTES
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.optimizers import Rounds
from tests.support.span_recorder import recording
from tests.support.unserializable_answers import Answering, Odd
from tests.support.with_and_without import same_with_and_without

if TYPE_CHECKING:
    from tests.support.span_recorder import Recorder

MANY: Final = 10_000
PICTURE: Final = base64.b64encode(bytes(range(256)) * 2_000).decode()
"""700 kB of text."""


class Knowing(dspy.Module):
    """A program that asks no model."""

    def forward(self, question: str) -> dspy.Prediction:
        """The sum."""
        return dspy.Prediction(answer=str(sum(int(term) for term in question.split("+"))))


def _largest(recorder: Recorder) -> int:
    """Characters of the longest text on any span."""
    return max(
        len(value) for span in recorder.spans for value in (span.attributes or {}).values() if isinstance(value, str)
    )


@pytest.mark.slow
def test_ten_thousand_examples() -> None:
    """The dataset and each result table go out in pieces of a bounded size; every example counts and is recorded once."""
    trainset = examples(MANY)

    def run() -> Any:
        return Rounds(exact, rounds=1).compile(Knowing(), trainset=trainset).dump_state()

    recorder = same_with_and_without(run, capture_content=True, example_ratio=0.01)
    assert _largest(recorder) <= PIECE_BYTES
    (dataset,) = recorder.attributes_of("dataset")
    (evaluate,) = recorder.attributes_of("evaluate")
    assert (dataset["dataset.size"], evaluate["evaluate.num_examples"], evaluate["evaluate.num_errors"]) == (
        MANY,
        MANY,
        0,
    )
    assert evaluate["evaluate.score"] == 100.0
    pieces = recorder.attributes_of("payload")
    assert {piece["payload.attribute"] for piece in pieces} == {"dspy.dataset.rows", "dspy.evaluate.results"}


class Look(dspy.Signature):
    """Say what is in the picture."""

    picture: dspy.Image = dspy.InputField()
    history: dspy.History = dspy.InputField()
    answer: str = dspy.OutputField()


def test_pictures_and_other_types_of_dspy() -> None:
    """A picture goes to the model as ever; with a limit its text in a call is truncated, with the original length recorded.

    A row of the results names the picture and its length: the dataset has the whole, once.
    """

    def run() -> Any:
        picture = dspy.Image(f"data:image/png;base64,{PICTURE}")
        history = dspy.History(messages=[{"question": "And before?", "answer": "a cat"}])
        example: Any = dspy.Example(picture=picture, history=history, answer="a cat").with_inputs("picture", "history")
        lm = in_process_lm(lambda _: "[[ ## answer ## ]]\na cat\n\n[[ ## completed ## ]]")
        with dspy.context(lm=lm):
            evaluate: Any = dspy.Evaluate(devset=[example, example], metric=exact, num_threads=1)
            return evaluate(dspy.Predict(Look)).score

    recorder = same_with_and_without(run, capture_content=True, max_content_length=1_000, max_media_bytes=10**6)
    assert _largest(recorder) <= PIECE_BYTES
    for kind, name in (("example", "example.inputs"), ("module", "module.input")):
        for recorded in recorder.attributes_of(kind):
            assert len(recorded[name]) == 1_000
            assert recorded[f"content.length.dspy.{name}"] > len(PICTURE)
    (evaluate,) = recorder.attributes_of("evaluate")
    assert (evaluate["evaluate.score"], evaluate["evaluate.num_errors"]) == (100.0, 0)
    (row, _) = json.loads(evaluate["evaluate.results"])
    assert row == snapshot(
        {
            "index": 0,
            "id": "7cd71770726e6c8a",
            "score": 1.0,
            "inputs": {
                "picture": {
                    "type": "image_url",
                    "image_url": {"url": "data:image/png;base64,… (512000 bytes, sha256 8acfcabd38b512d5)"},
                },
                "history": {"messages": [{"question": "And before?", "answer": "a cat"}]},
            },
            "labels": {"answer": "a cat"},
            "prediction": {"answer": "a cat"},
        }
    )


def test_large_media_are_recorded_by_size_and_digest() -> None:
    """Wherever content has one: inputs, outputs, labels, demos and feedback. Datasets and program states have the whole."""

    class Echo(dspy.Module):
        def __init__(self) -> None:
            super().__init__()
            self.look = dspy.Predict(Look)

        def forward(self, picture: dspy.Image, history: dspy.History) -> dspy.Prediction:
            answer: Any = self.look(picture=picture, history=history)
            sound = dspy.Audio(data=PICTURE, audio_format="wav")
            return dspy.Prediction(answer=answer["answer"], picture=picture, raw=bytes(70_000), sounds=[sound])

    def look_again(example: Any, prediction: Any, trace: object = None) -> Any:
        """A metric that asks a model."""
        dspy.Predict(Look)(picture=example["picture"], history=example["history"])
        del trace
        return dspy.Prediction(
            score=float(exact(example, prediction)), feedback=f"as in data:image/png;base64,{PICTURE}"
        )

    picture = dspy.Image(f"data:image/png;base64,{PICTURE}")
    history = dspy.History(messages=[{"picture": picture, "answer": "a dog"}])
    example: Any = dspy.Example(picture=picture, history=history, answer="a cat").with_inputs("picture", "history")
    lm = in_process_lm(lambda _: "[[ ## answer ## ]]\na cat\n\n[[ ## completed ## ]]")
    with dspy.context(lm=lm), recording(capture_content=True, capture_adapters=True) as recorder:
        program: Any = Rounds(look_again, rounds=1).compile(Echo(), trainset=[example])
        assert program(picture=picture, history=history).raw == bytes(70_000)
    holding = {
        (span.name.split()[0], name)
        for span in recorder.spans
        for name, text in (span.attributes or {}).items()
        if isinstance(text, str) and PICTURE[:5_000] in text
    }
    assert holding == snapshot(set())
    assert {piece["payload.attribute"] for piece in recorder.attributes_of("payload")} == {"dspy.dataset.rows"}
    (recorded, *_) = recorder.attributes_of("module Echo")
    assert json.loads(str(recorded["module.input"])) == snapshot(
        {
            "picture": {
                "type": "image_url",
                "image_url": {"url": "data:image/png;base64,… (512000 bytes, sha256 8acfcabd38b512d5)"},
            },
            "history": {
                "messages": [
                    {
                        "picture": {
                            "type": "image_url",
                            "image_url": {"url": "data:image/png;base64,… (512000 bytes, sha256 8acfcabd38b512d5)"},
                        },
                        "answer": "a dog",
                    }
                ]
            },
        }
    )
    assert json.loads(str(recorded["module.output"])) == snapshot(
        {
            "answer": "a cat",
            "picture": {
                "type": "image_url",
                "image_url": {"url": "data:image/png;base64,… (512000 bytes, sha256 8acfcabd38b512d5)"},
            },
            "raw": "… (70000 bytes, sha256 f51b279903037b37)",
            "sounds": [
                {
                    "type": "input_audio",
                    "input_audio": {"data": "… (512000 bytes, sha256 8acfcabd38b512d5)", "format": "wav"},
                }
            ],
        }
    )


def test_examples_without_inputs() -> None:
    """`with_inputs` was never called: DSPy's error is what the user sees, and what each example records."""

    def run() -> Any:
        devset: Any = [dspy.Example(question="1+1", answer="2"), dspy.Example(question="2+1", answer="3")]
        with dspy.context(lm=addition_lm()):
            evaluate: Any = dspy.Evaluate(devset=devset, metric=exact, num_threads=1)
            return evaluate(dspy.Predict("question -> answer")).score

    recorder = same_with_and_without(run, capture_content=True)
    assert recorder.tree("example", "example.labels", "example.inputs", "error.type") == snapshot(
        [
            'example exact example.inputs={} example.labels={"question":"1+1","answer":"2"} error.type=ValueError ERROR(Inputs have not been set for this example. Use `example.with_inputs()` to set them.)',
            'example exact example.inputs={} example.labels={"question":"2+1","answer":"3"} error.type=ValueError ERROR(Inputs have not been set for this example. Use `example.with_inputs()` to set them.)',
        ]
    )


def test_answers_that_no_json_can_hold() -> None:
    """What is no data is null in the record and untouched for the user: the metric still finds it all."""
    seen: list[str] = []

    def whole(example: Any, prediction: Any, trace: object = None) -> bool:
        seen.append("".join(prediction["stream"]))
        return exact(example, prediction, trace) and isinstance(prediction["odd"], Odd)

    def run() -> Any:
        evaluate: Any = dspy.Evaluate(devset=examples(2), metric=whole, num_threads=1)
        return evaluate(Answering()).score

    recorder = same_with_and_without(run, capture_content=True)
    assert seen == ["0+1", "1+1"] * 2
    assert [recorded["example.prediction"] for recorded in recorder.attributes_of("example")] == snapshot(
        [
            '{"answer":"1","stream":null,"circle":["0+1",null],"kind":null,"odd":{},"number":null,"raw":"/wA=","text":"�"}',
            '{"answer":"2","stream":null,"circle":["1+1",null],"kind":null,"odd":{},"number":null,"raw":"/wA=","text":"�"}',
        ]
    )


def test_a_key_found_in_a_later_trial_is_redacted_in_earlier_data() -> None:
    """An example's texts are made once in a compile, and cleared of secrets each time: by the second trial it is one."""
    key = "planted-key-of-a-second-model"
    example = dspy.Example(question=f"What is {key}?", answer="1").with_inputs("question")

    class TwoModels(Teleprompter):
        """Scores with one model and then with another, whose key was not seen before."""

        def compile(self, student: Any, *, trainset: list[Any], **_kwargs: Any) -> Any:
            for settings in ({}, {"api_key": key}):
                lm = in_process_lm(dspy_script({"answer": lambda _: "1"}))
                lm.kwargs.update(settings)
                with dspy.context(lm=lm):
                    dspy.Evaluate(devset=trainset, metric=exact, num_threads=1)(student)
            return student

    with recording(capture_content=True) as recorder:
        TwoModels().compile(dspy.Predict("question -> answer"), trainset=[example])
    first, second = (span.attributes or {} for span in recorder.named("example"))
    assert key in str(first["dspy.example.inputs"])
    assert second["dspy.example.inputs"] == '{"question":"What is [redacted]?"}'


def test_a_program_that_returns_a_tuple() -> None:
    """All of it is its answer: only what DSPy itself puts around an answer, to collect traces, is taken off."""

    class Pair(dspy.Module):
        def forward(self, question: str) -> Any:
            return dspy.Prediction(answer="A"), question

    def first(_example: Any, prediction: Any, trace: object = None) -> bool:
        del trace
        return bool(prediction[0].answer == "A")

    def run() -> Any:
        result: Any = dspy.Evaluate(devset=examples(1), metric=first, num_threads=1)(Pair())
        return result.score

    recorder = same_with_and_without(run, capture_content=True)
    (example,) = recorder.attributes_of("example")
    assert json.loads(str(example["example.prediction"])) == {"value": [{"answer": "A"}, "0+1"]}
