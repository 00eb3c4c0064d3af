from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any, cast

import dspy
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_dspy.serialization.programs import digest, program_name, snapshot
from tests.support.in_process_lm import in_process_lm

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from otel_dspy.serialization.programs import ProgramSnapshot

KEY = "planted-key-of-the-lm-1234"
HEADER = "planted-header-of-the-lm-5678"


class Answer(dspy.Signature):
    """Answer."""

    question: str = dspy.InputField()
    answer: str = dspy.OutputField()


class Nested(dspy.Module):
    """Modules in modules, lists and dicts, and one that is called like an LM."""

    def __init__(self) -> None:
        super().__init__()
        self.first = dspy.ChainOfThought("question -> answer")
        self.many = [dspy.Predict("question -> hint"), dspy.Predict("hint -> answer")]
        self.named = {"a": dspy.Predict("answer -> grade: int")}
        self.lm = dspy.Predict("question -> model")


class Confusable(dspy.Module):
    """Sub-modules with the names of a predictor's own keys."""

    def __init__(self) -> None:
        super().__init__()
        self.signature = dspy.Predict("question -> answer")
        self.demos = dspy.ChainOfThought("question -> answer")


def look_up(title: str) -> str:
    """A tool for the agent."""
    return title


def predictors(program: dspy.Module) -> list[dspy.Predict]:
    """The program's predictors, typed."""
    return program.predictors()


def another_instruction(predictor: dspy.Predict) -> None:
    """Another text, the same fields."""
    predictor.signature = cast("type[dspy.Signature]", predictor.signature).with_instructions("Else.")


def one_demo_less(predictor: dspy.Predict) -> None:
    """The last one goes."""
    cast("list[Any]", predictor.demos).pop()


def demos_turned(predictor: dspy.Predict) -> None:
    """The same demos in another order."""
    cast("list[Any]", predictor.demos).reverse()


def a_demo_field_called_lm(predictor: dspy.Predict) -> None:
    """Another value in a demo's field that has the name of a predictor's key."""
    cast("list[Any]", predictor.demos)[0]["lm"] = {"model": "another"}


def a_demo_field_called_metadata(predictor: dspy.Predict) -> None:
    """The same for the state's other key of its own."""
    cast("list[Any]", predictor.demos)[0]["metadata"] = "changed"


CHANGES = (another_instruction, one_demo_less, demos_turned, a_demo_field_called_lm, a_demo_field_called_metadata)


def programs() -> dict[str, Callable[[], dspy.Module]]:
    """The kinds of programs that there are."""
    return {
        "predict": lambda: dspy.Predict("question -> answer"),
        "chain": lambda: dspy.ChainOfThought("question -> answer"),
        "nested": Nested,
        "confusable": Confusable,
        "react": lambda: dspy.ReAct(Answer, tools=[look_up]),
        "flex": lambda: dspy.Flex(Answer),
    }


def with_demos(program: dspy.Module) -> dspy.Module:
    """The program with an instruction of its own and demos whose fields have dangerous names."""
    for index, predictor in enumerate(predictors(program)):
        predictor.signature = cast("type[dspy.Signature]", predictor.signature).with_instructions(
            f"Answer well, {index}."
        )
        predictor.demos = [
            dspy.Example(question="?", answer="4", lm={"model": "a demo's own"}, metadata="kept", augmented=True),
            {"question": "ünï", "answer": ["a", "list"], "signature": 1, "demos": []},
        ]
    return program


def with_keys(program: dspy.Module) -> dspy.Module:
    """The program with an LM that holds a key and a header of its own."""
    program.set_lm(
        dspy.LM("openai/gpt-4o-mini", api_key=KEY, extra_headers={"X-Custom": HEADER}, api_base="http://me:pass@host/")
    )
    return program


def states(program: dspy.Module) -> dict[str, Any]:
    """What DSPy itself would save of the program, without its LMs."""
    program = program.deepcopy()
    program.set_lm(cast("Any", None))
    return cast("dict[str, Any]", json.loads(json.dumps(program.dump_state())))


@pytest.mark.parametrize("kind", programs())
def test_a_snapshot_loads_as_the_same_program_without_an_lm(kind: str, tmp_path: Path) -> None:
    """`program.load` takes the text from a .json file and gives back predictors and demos as they were; no LM."""
    original = with_keys(with_demos(programs()[kind]()))
    path = tmp_path / "program.json"
    path.write_text(snapshot(original).state, encoding="utf-8")
    loaded = programs()[kind]()
    loaded.load(path)
    assert states(loaded) == states(original)
    assert [predictor.lm for predictor in predictors(loaded)] == [None] * len(predictors(loaded))
    assert snapshot(loaded).id == snapshot(original).id


@pytest.mark.parametrize("kind", programs())
def test_a_snapshot_contains_no_lm(kind: str) -> None:
    """Key, header, address and model of an LM are in no state, wherever the program keeps the LM."""
    program = with_keys(programs()[kind]())
    lm = cast("dspy.LM", program.get_lm())
    assert lm.kwargs["api_key"] == KEY, "the plant must be there"
    state = snapshot(program).state
    for planted in (KEY, HEADER, "me:pass", "gpt-4o-mini"):
        assert planted not in state


@pytest.mark.parametrize("kind", programs())
def test_identity_is_that_of_content_alone(kind: str) -> None:
    """Another LM is the same program; another instruction, demo or demo field named `lm` is another one."""
    plain = with_demos(programs()[kind]())
    known = snapshot(plain).id
    assert snapshot(with_keys(with_demos(programs()[kind]()))).id == known
    assert snapshot(plain.deepcopy()).id == known
    for change in CHANGES:
        changed = with_demos(programs()[kind]())
        if kind != "flex":  # has code in their place
            change(predictors(changed)[-1])
            assert snapshot(changed).id != known


class Around(dspy.Module):
    """A program with other programs in it."""

    def __init__(self, *programs: dspy.Module) -> None:
        super().__init__()
        self.step = programs[0]
        self.programs = list(programs)
        self.named = {"first": programs[0]}


def frozen(program: dspy.Module) -> dspy.Module:
    """The program as a few-shot optimizer returns it."""
    vars(with_demos(program))["_compiled"] = True
    return program


def alone(program: dspy.Module) -> dspy.Module:
    """The program."""
    return program


def compiled_inside(program: dspy.Module) -> dspy.Module:
    """The program, compiled with the demos that it has, in another one."""
    vars(program)["_compiled"] = True
    return Around(program)


def twice_around(*programs: dspy.Module) -> dspy.Module:
    """The programs in a program that is not compiled, in another one."""
    return Around(Around(*programs))


@pytest.mark.parametrize("around", [Around, twice_around])
def test_what_was_compiled_on_its_own_is_a_part_of_the_identity(around: Callable[..., dspy.Module]) -> None:
    """DSPy leaves a compiled part out of the state of the program around it: two ensembles had one identity."""
    first, second = frozen(Nested()), frozen(dspy.ChainOfThought("question -> answer"))
    program = around(first, second)
    known = snapshot(program)
    assert json.loads(known.state).keys() == {"metadata"}
    keyed = program.deepcopy()
    for _, predictor in keyed.named_sub_modules(dspy.Predict):
        with_keys(cast("dspy.Predict", predictor))
    assert snapshot(keyed) == known
    assert snapshot(around(second, first)).id != known.id
    for change in CHANGES:
        changed = program.deepcopy()
        *_, (_, predictor) = changed.named_sub_modules(dspy.Predict)
        change(cast("dspy.Predict", predictor))
        assert snapshot(changed).id != known.id


def test_a_compiled_part_that_has_its_program_ends() -> None:
    """A part may hold the program around it; DSPy does not enter it, so that this is a valid program."""
    part = frozen(dspy.ChainOfThought("question -> answer"))
    program = Around(part)
    vars(part)["owner"] = program
    assert snapshot(program).id == snapshot(program).id


def test_an_object_without_attributes_has_an_identity() -> None:
    """What dumps its state is a program, also if it is no `dspy.Module` and has slots."""

    class Slotted:
        """One."""

        __slots__ = ()

        def dump_state(self) -> dict[str, object]:
            """Its state."""
            return {"text": "Answer."}

    assert json.loads(snapshot(Slotted()).state)["text"] == "Answer."


def test_parts_that_hold_each_other_are_visited_once() -> None:
    """Twelve parts, each of which holds all others: by paths there are millions of them."""
    parts = [frozen(dspy.ChainOfThought("question -> answer")) for _ in range(12)]
    for part in parts:
        vars(part)["others"] = list(parts)
    assert snapshot(Around(parts[0])).id == snapshot(Around(parts[0])).id


def test_the_identity_of_a_flex_is_its_source() -> None:
    """A `dspy.Flex` has no predictors; another source is another program."""
    flex = dspy.Flex(Answer)
    known = snapshot(flex).id
    flex._module_src = "class Else(dspy.Module): ..."
    assert snapshot(flex).id != known


def test_what_no_json_holds_does_not_break_a_state(tmp_path: Path) -> None:
    """Demos with NaN, bytes, half a character, mixed keys and objects still give a state that loads."""
    program = dspy.Predict("question -> answer")
    program.demos = [
        dspy.Example(question="\ud83d half", answer=float("nan"), raw=b"\xff", keys={1: "a", "b": 2}, thing=object())
    ]
    path = tmp_path / "program.json"
    path.write_text(snapshot(program).state, encoding="utf-8")
    loaded = dspy.Predict("question -> answer")
    loaded.load(path)
    assert loaded.demos == [
        {"question": "� half", "answer": None, "raw": "/w==", "keys": {"1": "a", "b": 2}, "thing": None}
    ]


def test_an_object_in_a_demo_has_no_address_in_the_identity() -> None:
    """A program and its copy are one program, though the objects in their demos lie elsewhere."""
    program = dspy.Predict("question -> answer")
    program.demos = [dspy.Example(question="?", thing=object())]
    assert snapshot(program).id == snapshot(copy.deepcopy(program)).id


class Tagged(pydantic.BaseModel):
    """A model with sets, at several depths."""

    tags: set[int]
    inner: list[Tagged] = []
    by_name: dict[int, frozenset[int]] = {}


def tagged(order: tuple[int, int]) -> Tagged:
    """Models that are equal for both orders of two numbers, in which their sets are iterated."""
    return Tagged(tags=set(order), inner=[Tagged(tags=set(order))], by_name={7: frozenset(order)})


@pytest.mark.parametrize("around", [alone, Around, compiled_inside])
def test_the_order_of_a_set_in_a_demo_is_in_no_identity(around: Callable[[dspy.Module], dspy.Module]) -> None:
    """A set of texts has another order in each process; DSPy dumps those of pydantic models as lists."""
    snapshots: list[ProgramSnapshot] = []
    for order in ((0, 8), (8, 0)):
        program = dspy.Predict("question -> answer")
        assert tuple(tagged(order).tags) == order, "both orders must be there"
        program.demos = [
            dspy.Example(question=tagged(order), answer=[tagged(order)], items={1, 2}),
            {"question": (tagged(order),), "answer": "4"},
        ]
        snapshots.append(snapshot(around(program)))
    assert snapshots[0] == snapshots[1]


def test_an_error_of_dump_state_reaches_the_caller() -> None:
    """The documented error: the caller guards."""

    class Broken(dspy.Module):
        def dump_state(self, json_mode: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002 - DSPy's signature
            raise RuntimeError(json_mode)

    with pytest.raises(RuntimeError):
        snapshot(Broken())


def test_a_program_is_named_by_its_class() -> None:
    """`dspy.program.name` is the class's name."""
    assert program_name(dspy.ChainOfThought("question -> answer")) == "ChainOfThought"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=3), JSON, max_size=4), JSON)
def test_a_digest_depends_on_everything_but_the_order_of_keys(value: dict[str, Any], other: Any) -> None:
    """Turned keys change nothing; another value under any key changes the digest."""
    assert digest(value) == digest(dict(reversed(value.items())))
    for key, item in value.items():
        if json.dumps(item, sort_keys=True) != json.dumps(other, sort_keys=True):
            assert digest({**value, key: other}) != digest(value)


def test_the_digest_is_the_contracts_own() -> None:
    """16 hex digits of the sha256 of canonical JSON: a reader can work it out anew (`printf ... | sha256sum`)."""
    assert digest({"b": [1, None], "a": "ü"}) == "5ddd266d13a5e8cd"


def test_a_program_whose_model_cannot_be_saved_has_a_state_all_the_same() -> None:
    """DSPy refuses to dump an LM with an engine of the user's own; the state is that without it, the LM stays."""
    plain_program, program = dspy.ChainOfThought("question -> answer"), dspy.ChainOfThought("question -> answer")
    lm = in_process_lm(lambda _: "")
    program.set_lm(lm)
    with pytest.raises(TypeError, match="cannot be saved"):
        program.dump_state()
    assert snapshot(program) == snapshot(plain_program)
    assert program.predictors()[0].lm is lm


def test_the_state_of_a_predictor_whose_model_cannot_be_saved_loads() -> None:
    """A program that is one predictor has its state without a path, as DSPy dumps and loads it."""
    plain_program, program = dspy.Predict("question -> answer"), dspy.Predict("question -> answer")
    program.set_lm(in_process_lm(lambda _: ""))
    with pytest.raises(TypeError, match="cannot be saved"):
        program.dump_state()
    found = snapshot(program)
    assert found == snapshot(plain_program)
    dspy.Predict("question -> answer").load_state(json.loads(found.state))


def test_what_a_program_holds_beside_its_state_is_not_copied_for_it() -> None:
    """Optimizers hang all their candidates on the program that they return, each with its model."""

    class NeverCopied:
        def __deepcopy__(self, memo: dict[int, Any]) -> Any:
            raise AssertionError("copied")

    plain_program, program = dspy.ChainOfThought("question -> answer"), dspy.ChainOfThought("question -> answer")
    program.set_lm(in_process_lm(lambda _: ""))
    vars(program)["candidate_programs"] = [NeverCopied()]
    vars(program.predictors()[0])["held"] = NeverCopied()
    assert snapshot(program) == snapshot(plain_program)
