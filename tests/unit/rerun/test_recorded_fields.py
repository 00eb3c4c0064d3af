"""Recorded states loaded into programs whose signatures differ from the recorded ones."""

from __future__ import annotations

from typing import Any

import dspy
import pytest

from otel_dspy.rerun.errors import RerunError
from otel_dspy.rerun.program_state import loaded


class Described(dspy.Signature):
    """Fields with descriptions of their own."""

    question: str = dspy.InputField(desc="what is asked")
    context: str = dspy.InputField(desc="what is known")
    answer: str = dspy.OutputField(desc="a number")


class Reordered(dspy.Signature):
    """The same fields in another order."""

    context: str = dspy.InputField(desc="what is known")
    question: str = dspy.InputField(desc="what is asked")
    answer: str = dspy.OutputField(desc="a number")


class Twice(dspy.Module):
    """A program with nested predictors."""

    def __init__(self, signature: str) -> None:
        super().__init__()
        self.inner = dspy.ChainOfThought(signature)


@pytest.mark.parametrize(
    ("recorded", "given", "message"),
    [
        (
            dspy.Predict("question, context -> answer"),
            dspy.Predict("text, context -> answer"),
            (
                "Field 1 of the predictor self is text; in the program of run 1 it is question. The given program has the "
                "fields text, context, answer. Pass a program that is built as the optimized one was."
            ),
        ),
        (
            dspy.ChainOfThought("question, context -> answer"),
            dspy.ChainOfThought("question -> answer"),
            "Field 2 of the predictor predict is reasoning; in the program of run 1 it is context.",
        ),
        (
            Twice("question -> answer"),
            Twice("question -> label"),
            "Field 3 of the predictor inner.predict is label; in the program of run 1 it is answer.",
        ),
        (
            dspy.Predict(Described),
            dspy.Predict(Reordered),
            "Field 1 of the predictor self is context; in the program of run 1 it is question.",
        ),
    ],
)
def test_a_field_at_the_place_of_another_one(recorded: Any, given: Any, message: str) -> None:
    """DSPy would give it the other one's description, without an error."""
    with pytest.raises(RerunError) as raised:
        loaded(given, recorded.dump_state(), "run 1")
    assert str(raised.value).startswith(message)


def test_a_field_with_the_prefix_of_another_one() -> None:
    """COPRO lets a model write the prefix of the last field: the description shows which field it is."""
    program: Any = dspy.ChainOfThought(Described)
    recorded: Any = program.deepcopy()
    signature = recorded.predict.signature
    recorded.predict.signature = signature.with_updated_fields("answer", prefix="Reasoning:")
    read: Any = loaded(program, recorded.dump_state(), "run 1")
    assert read.predict.signature.fields["answer"].json_schema_extra["prefix"] == "Reasoning:"


def test_a_field_more(caplog: pytest.LogCaptureFixture) -> None:
    """After the recorded ones it takes none of their descriptions: the state is loaded, with a warning."""
    recorded: Any = dspy.Predict("question -> answer")
    recorded.signature = recorded.signature.with_instructions("Add.")
    program: Any = loaded(dspy.Predict("question -> answer, source"), recorded.dump_state(), "run 1")
    assert program.signature.instructions == "Add."
    [record] = caplog.records
    assert record.getMessage().startswith(
        "The predictor self has 3 fields (question, answer, source), that of run 1 has 2: instructions and demos are"
    )


@pytest.mark.parametrize("build", [lambda: dspy.ChainOfThought("a, b -> c"), lambda: dspy.Predict(Described)])
def test_the_same_fields(build: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Also where an optimizer has changed the prefix of the last one, as COPRO does."""
    recorded = build()
    predictor = recorded.predictors()[0]
    last = list(predictor.signature.fields)[-1]
    predictor.signature = predictor.signature.with_updated_fields(last, prefix="So:")
    loaded(build(), recorded.dump_state(), "run 1")
    assert caplog.messages == []


def test_programs_with_other_predictors() -> None:
    """The message names those of both, by path; a program of code alone has none."""

    class Code(dspy.Module):
        """A program without predictors."""

    single: Any = dspy.Predict("question -> answer")
    nested: Any = Twice("question -> answer")
    cases: list[tuple[Any, dict[str, Any], str]] = [
        (nested, single.dump_state(), "self; the given one has inner.predict"),
        (Code(), single.dump_state(), "self; the given one has none"),
        (single, nested.dump_state(), "inner.predict; the given one has self"),
    ]
    for program, state, named in cases:
        with pytest.raises(RerunError, match=f"^The program of run r has the predictors {named}. Pass a program that"):
            loaded(program, state, "run r")
