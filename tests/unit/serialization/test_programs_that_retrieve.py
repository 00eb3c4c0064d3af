"""Snapshots of programs with `dspy.Retrieve`, which DSPy cannot dump: their search has a state without `json_mode`."""

from __future__ import annotations

import json
from typing import Any

import dspy
import pytest

from otel_dspy.serialization.programs import snapshot
from tests.support.in_process_lm import in_process_lm


class Own(dspy.Retrieve):
    """A retriever of the user's own, as the documentation of DSPy has them."""

    def forward(self, query: str, k: int | None = None, **kwargs: object) -> Any:
        """Find nothing."""
        del query, k, kwargs
        return dspy.Prediction(passages=[])


class RAG(dspy.Module):
    """A search, and an answer from what it has found."""

    def __init__(self, search: dspy.Retrieve) -> None:
        super().__init__()
        self.search = search
        self.answer = dspy.ChainOfThought("context, question -> answer")


class Around(dspy.Module):
    """A program around one."""

    def __init__(self, inner: dspy.Module) -> None:
        super().__init__()
        self.inner = inner


def _itself(program: dspy.Module) -> dspy.Module:
    return program


@pytest.mark.parametrize("retriever", [dspy.Retrieve, Own])
@pytest.mark.parametrize("around", [_itself, Around])
def test_the_state_loads_although_dspy_cannot_dump_it(retriever: Any, around: Any) -> None:
    """It has the demos, the instructions and the number of passages."""
    program = around(RAG(retriever(k=7)))
    [predictor] = program.predictors()
    predictor.demos = [dspy.Example(question="1+1", answer="2")]
    predictor.signature = predictor.signature.with_instructions("Answer from the context.")
    with pytest.raises(TypeError, match="json_mode"):
        program.dump_state()
    loaded = around(RAG(retriever()))
    loaded.load_state(json.loads(snapshot(program).state))
    [found] = loaded.predictors()
    assert [dict(demo) for demo in found.demos] == [{"question": "1+1", "answer": "2"}]
    assert found.signature.instructions == "Answer from the context."
    assert [part.k for _, part in loaded.named_parameters() if isinstance(part, dspy.Retrieve)] == [7]


def test_the_id_depends_on_demos_and_on_the_number_of_passages() -> None:
    """Two candidates of one program with the same search differ by their demos."""
    programs = [RAG(dspy.Retrieve(k=3)), RAG(dspy.Retrieve(k=3)), RAG(dspy.Retrieve(k=4)), RAG(dspy.Retrieve(k=3))]
    programs[3].answer.predict.demos = [dspy.Example(question="1+1", answer="2")]
    ids = [snapshot(program).id for program in programs]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3


def test_a_model_that_cannot_be_saved_either_changes_nothing() -> None:
    """The state is that without the LM, and the program keeps it."""
    plain_program, program = RAG(dspy.Retrieve()), RAG(dspy.Retrieve())
    lm = in_process_lm(lambda _: "")
    program.set_lm(lm)
    assert snapshot(program) == snapshot(plain_program)
    assert program.answer.predict.lm is lm


def test_a_retriever_alone_has_its_own_state() -> None:
    """A program that is a search and nothing else: without a path, as DSPy dumps it."""
    state = json.loads(snapshot(dspy.Retrieve(k=7)).state)
    assert state.pop("metadata")
    assert state == {"k": 7}
