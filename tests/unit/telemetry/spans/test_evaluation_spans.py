"""Spans of evaluations and their examples, in a compile and alone, linked and nested."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any
from unittest import mock

import dspy
import pytest
from opentelemetry.context import get_current, set_value
from opentelemetry.trace import INVALID_SPAN, get_current_span

from otel_dspy.serialization.programs import ProgramSnapshot
from otel_dspy.settings import TraceShape
from otel_dspy.telemetry.call_context import call_context_in
from otel_dspy.telemetry.spans import example as example_spans
from otel_dspy.telemetry.spans.compile import CompileInfo, close_compile, open_compile
from otel_dspy.telemetry.spans.evaluate import EvaluateInfo, EvaluateOutcome, close_evaluate, open_evaluate
from otel_dspy.telemetry.spans.example import open_example
from otel_dspy.telemetry.spans.example_result import ExampleOutcome, close_example
from otel_dspy.telemetry.spans.setup import DatasetInfo, SetupInfo, emit_setup
from otel_dspy.telemetry.spans.trial_info import Scope
from otel_dspy.telemetry.tallies.usage_tally import CallUsage
from tests.unit.telemetry.spans.emitted import Emitted, current, identity

if TYPE_CHECKING:
    from otel_dspy.telemetry.open_scopes import CompileScope, EvaluateScope

EXAMPLE = dspy.Example(q="1+1", a="2").with_inputs("q")
OTHER = dspy.Example(q="2+2", a="4").with_inputs("q")


def _evaluate(emitted: Emitted, **info: Any) -> EvaluateScope:
    given: dict[str, Any] = {
        "metric_name": "exact",
        "program_name": "Solver",
        "devset": [EXAMPLE, OTHER],
        "scope": Scope.FULL,
    }
    return open_evaluate(emitted.telemetry, EvaluateInfo(**given | info))


def _compile(emitted: Emitted) -> CompileScope:
    info = CompileInfo(key=1, optimizer_name="Opt", program_name="Solver", metric_name="exact")
    return open_compile(emitted.telemetry, info)


def test_an_evaluation_alone_has_its_dataset_and_program() -> None:
    """The rows of its examples, in the order of the examples, whichever ended first."""
    emitted = Emitted(capture_content=True, capture_programs=True, capture_datasets=True)
    telemetry = emitted.telemetry
    evaluation = _evaluate(emitted)
    examples = [open_example(telemetry, evaluation, index, example) for index, example in enumerate([EXAMPLE, OTHER])]
    for example, score in zip(reversed(examples), (0.5, 1.0), strict=True):
        close_example(telemetry, example, ExampleOutcome(score=score, further={"accepted": True}))
    program = ProgramSnapshot("p", '{"a": 1}')
    close_evaluate(telemetry, evaluation, EvaluateOutcome(score=75.0, program=program))
    found = emitted.attributes(1)
    assert emitted.tree() == [
        (1, None, "evaluate exact"),
        (2, 1, "dataset evaluation"),
        (3, None, "example exact"),
        (4, None, "example exact"),
    ]
    assert (found["dspy.program.id"], found["dspy.program.state"]) == ("p", '{"a": 1}')
    assert "dspy.compile.id" not in found
    dataset = emitted.attributes(2)
    assert dataset == {
        "dspy.operation.name": "dataset",
        "dspy.dataset.role": "evaluation",
        "dspy.dataset.id": found["dspy.dataset.id"],
        "dspy.dataset.name": "devset",
        "dspy.dataset.size": 2,
        "dspy.dataset.fields": ("q", "a"),
        "dspy.dataset.input_fields": ("q",),
        "dspy.dataset.rows": '[{"q":"1+1","a":"2"},{"q":"2+2","a":"4"}]',
    }
    rows = json.loads(found["dspy.evaluate.results"])
    assert [(row["index"], row["score"], row["accepted"], row["inputs"], row["labels"]) for row in rows] == [
        (0, 1.0, True, {"q": "1+1"}, {"a": "2"}),
        (1, 0.5, True, {"q": "2+2"}, {"a": "4"}),
    ]


def test_evaluations_of_a_phase_are_numbered() -> None:
    """Of one name in one compile: the first has no number; a role is named; a compile's program has no state again."""
    emitted = Emitted(capture_programs=True)
    scope = _compile(emitted)
    with current(scope.context):
        for phase in ("bootstrap", "bootstrap", "propose"):
            evaluation = _evaluate(emitted, phase=phase, role="candidate", scope=Scope.MINIBATCH)
            assert evaluation.examples is scope.examples
            program = ProgramSnapshot("p", "{}")
            close_evaluate(emitted.telemetry, evaluation, EvaluateOutcome(program=program))
    close_compile(emitted.telemetry, scope, result=None, error=None)
    names = ("dspy.phase.name", "dspy.phase.index", "dspy.evaluate.role", "dspy.evaluate.scope", "dspy.program.state")
    assert [tuple(emitted.attributes(number).get(name) for name in names) for number in (2, 3, 4)] == [
        ("bootstrap", None, "candidate", "minibatch", None),
        ("bootstrap", 1, "candidate", "minibatch", None),
        ("propose", None, "candidate", "minibatch", None),
    ]
    assert {emitted.attributes(number)["dspy.program.id"] for number in (2, 3, 4)} == {"p"}
    alone = _evaluate(emitted, phase="bootstrap")
    close_evaluate(emitted.telemetry, alone, EvaluateOutcome())
    assert emitted.attributes(5)["dspy.phase.name"] == "bootstrap"
    assert "dspy.phase.index" not in emitted.attributes(5)


THIRD = dspy.Example(q="3+3", a="6").with_inputs("q")
TWIN = dspy.Example(q="1+1", a="2").with_inputs("q")
"""Equal to EXAMPLE."""


@pytest.mark.parametrize("order", [("train", "validation"), ("validation", "train")])
def test_examples_have_the_numbers_of_their_dataset(order: tuple[str, str]) -> None:
    """Those of the validation set, whichever comes first; an example of the training set alone has its number there."""
    emitted = Emitted()
    scope = _compile(emitted)
    roles = {"train": [EXAMPLE, OTHER, THIRD], "validation": [THIRD, OTHER]}
    datasets = [DatasetInfo(role=role, name=role, examples=roles[role]) for role in order]
    emit_setup(emitted.telemetry, scope, SetupInfo(program=None, parameters={}, lm_model=None, datasets=datasets))
    given = [OTHER, EXAMPLE, THIRD]
    with current(scope.context):
        evaluation = _evaluate(emitted, devset=given)
        places = [open_example(emitted.telemetry, evaluation, place, one) for place, one in enumerate(given)]
        elsewhere = open_example(emitted.telemetry, evaluation, 1, THIRD)  # not the one at that place
        unknown = open_example(emitted.telemetry, evaluation, 7, dspy.Example(q="?"))
        for one in (*places, elsewhere, unknown):
            close_example(emitted.telemetry, one, ExampleOutcome(score=1.0))
        close_evaluate(emitted.telemetry, evaluation, EvaluateOutcome())
    close_compile(emitted.telemetry, scope, result=None, error=None)
    assert [one.index for one in (*places, elsewhere, unknown)] == [1, 0, 0, 0, 7]
    assert (tuple(evaluation.devset), list(evaluation.positions)) == (tuple(given), [1, 0, 0])


def test_equal_examples_have_a_number_each() -> None:
    """By their places in the evaluation; the evaluation of a whole dataset has its id, and no dataset of its own."""
    emitted = Emitted()
    scope = _compile(emitted)
    whole = [EXAMPLE, TWIN, OTHER]
    datasets = [DatasetInfo(role=role, name="valset", examples=whole) for role in ("validation", "validation", "train")]
    emit_setup(emitted.telemetry, scope, SetupInfo(program=None, parameters={}, lm_model=None, datasets=datasets))
    with current(scope.context):
        for given, numbers in ((whole, [0, 1, 2]), ([OTHER, EXAMPLE, TWIN], [2, 0, 1])):
            evaluation = _evaluate(emitted, devset=given)
            opened = [open_example(emitted.telemetry, evaluation, place, one) for place, one in enumerate(given)]
            assert [one.index for one in opened] == numbers
            for one in opened:
                close_example(emitted.telemetry, one, ExampleOutcome(score=1.0))
            close_evaluate(emitted.telemetry, evaluation, EvaluateOutcome())
    close_compile(emitted.telemetry, scope, result=None, error=None)
    recorded: list[dict[str, Any]] = [emitted.attributes(number) for number in sorted(emitted.spans)]
    sets = [(one["dspy.dataset.role"], one["dspy.dataset.id"]) for one in recorded if "dspy.dataset.role" in one]
    assert [role for role, _ in sets] == ["validation", "train"]
    first, second = [one["dspy.dataset.id"] for one in recorded if one["dspy.operation.name"] == "evaluate"]
    assert {first} == {known for _, known in sets}
    assert second != first


def test_an_evaluation_alone_numbers_by_place() -> None:
    """Equal examples too, and those of an earlier evaluation again."""
    emitted = Emitted()
    for given in ([EXAMPLE, OTHER, TWIN], [OTHER, EXAMPLE]):
        evaluation = _evaluate(emitted, devset=given)
        opened = [open_example(emitted.telemetry, evaluation, place, one) for place, one in enumerate(given)]
        for one in opened:
            close_example(emitted.telemetry, one, ExampleOutcome(score=1.0))
        close_evaluate(emitted.telemetry, evaluation, EvaluateOutcome())
        assert [one.index for one in opened] == list(range(len(given)))


def test_examples_of_the_nested_shape_are_children() -> None:
    """And have no link."""
    emitted = Emitted(trace_shape=TraceShape.NESTED)
    evaluation = _evaluate(emitted)
    close_example(emitted.telemetry, open_example(emitted.telemetry, evaluation, 0, EXAMPLE), ExampleOutcome())
    close_evaluate(emitted.telemetry, evaluation, EvaluateOutcome())
    assert emitted.tree()[-1] == (3, 1, "example exact")
    assert emitted.spans[3].links == ()


def test_examples_that_are_not_sampled_count() -> None:
    """They have no span; their rows and numbers are on the evaluation, and their ids are valid."""
    emitted = Emitted(example_ratio=0.0)
    evaluation = _evaluate(emitted)
    example = open_example(emitted.telemetry, evaluation, 0, EXAMPLE)
    context = example.span.get_span_context()
    assert (context.is_valid, context.trace_flags, context.is_remote) == (True, 0, False)
    close_example(emitted.telemetry, example, ExampleOutcome(score=1.0))
    close_evaluate(emitted.telemetry, evaluation, EvaluateOutcome(score=100.0))
    assert [name for _, _, name in emitted.tree()] == ["evaluate exact", "dataset evaluation"]
    (row,) = json.loads(emitted.attributes(1)["dspy.evaluate.results"])
    assert (row["index"], row["score"]) == (0, 1.0)


def test_ids_of_examples_that_are_not_sampled() -> None:
    """Each is valid and fits into the 128 and 64 bits that OpenTelemetry has for it; one that is too long is not."""
    emitted = Emitted(example_ratio=0.0)
    evaluation = _evaluate(emitted, devset=[EXAMPLE] * 100)
    examples = [open_example(emitted.telemetry, evaluation, place, EXAMPLE) for place in range(100)]
    assert all(example.span.get_span_context().is_valid for example in examples)
    for example in examples:
        close_example(emitted.telemetry, example, ExampleOutcome())
    close_evaluate(emitted.telemetry, evaluation, EvaluateOutcome())


def test_a_ratio_of_the_examples_is_sampled() -> None:
    """By the instrumentation's own random numbers; each example that is not sampled has ids of its own."""
    emitted = Emitted(example_ratio=0.5)
    evaluation = _evaluate(emitted)
    drawn = random.Random()  # noqa: S311 - for ids
    with mock.patch.object(example_spans, "chance", drawn), mock.patch.object(drawn, "random") as number:
        number.side_effect = [0.1, 0.7, 0.5, 0.49]
        examples = [open_example(emitted.telemetry, evaluation, index, EXAMPLE) for index in range(4)]
    assert [example.span.is_recording() for example in examples] == [True, False, False, True]
    dropped = [example.span.get_span_context() for example in examples if not example.span.is_recording()]
    assert len({context.span_id for context in dropped}) == len({context.trace_id for context in dropped}) == 2
    for example in examples:
        close_example(emitted.telemetry, example, ExampleOutcome())
    close_evaluate(emitted.telemetry, evaluation, EvaluateOutcome())


def test_a_redactor_is_given_the_name_of_each_attribute() -> None:
    """Also for the cells of the result table and for log events."""
    names: set[str] = set()

    def redact(name: str, text: str) -> str:
        names.add(f"{name}: {text}")
        return text

    emitted = Emitted(capture_content=True, redact=redact)
    evaluation = _evaluate(emitted, devset=[EXAMPLE])
    example = open_example(emitted.telemetry, evaluation, 0, EXAMPLE)
    outcome = ExampleOutcome(prediction=dspy.Prediction(a="3"), feedback="close", error=ValueError("no verdict"))
    close_example(emitted.telemetry, example, outcome)
    close_evaluate(emitted.telemetry, evaluation, EvaluateOutcome())
    assert emitted.spans
    assert names == {
        "dspy.example.inputs: 1+1",
        "dspy.example.labels: 2",
        "dspy.example.prediction: 3",
        "dspy.example.feedback: close",
        "dspy.evaluate.results: no verdict",
        "exception.message: no verdict",
        "gen_ai.evaluation.explanation: close",
    }


def test_the_second_run_of_an_example_does_not_count() -> None:
    """The run that ends first gives the row; the other one is marked, without a score, an event or a count."""
    emitted = Emitted()
    telemetry = emitted.telemetry
    evaluation = _evaluate(emitted)
    first, second = (open_example(telemetry, evaluation, 0, EXAMPLE) for _ in range(2))
    close_example(telemetry, second, ExampleOutcome(score=1.0, objectives={"r": 1.0}))
    close_example(telemetry, first, ExampleOutcome(score=0.0, objectives={"r": 0.0}, error=ValueError("late")))
    close_evaluate(telemetry, evaluation, EvaluateOutcome(score=100.0))
    repeated, counted, whole = emitted.attributes(3), emitted.attributes(4), emitted.attributes(1)
    assert repeated["dspy.example.repeated"] is True
    assert "dspy.example.score" not in repeated
    assert "dspy.example.objective.r" not in repeated
    assert (counted["dspy.example.score"], counted["dspy.example.objective.r"]) == (1.0, 1.0)
    assert "dspy.example.repeated" not in counted
    assert whole["dspy.evaluate.objective.r"] == 1.0
    assert json.loads(whole["dspy.evaluate.results"])[0]["score"] == 1.0
    assert "dspy.failures.examples" not in whole
    assert [span for _, span, _ in emitted.events()] == [4]
    assert emitted.points()["dspy.evaluate.examples"] == [({"dspy.metric.name": "exact"}, 1)]


def test_content_of_an_example_that_failed() -> None:
    """The message is in the row where content is captured; a prediction and feedback that there are not are absent."""
    emitted = Emitted(capture_content=True)
    evaluation = _evaluate(emitted, devset=[EXAMPLE])
    example = open_example(emitted.telemetry, evaluation, 0, EXAMPLE)
    close_example(emitted.telemetry, example, ExampleOutcome(error=ValueError("no verdict")))
    close_evaluate(emitted.telemetry, evaluation, EvaluateOutcome())
    assert json.loads(emitted.attributes(1)["dspy.evaluate.results"]) == [
        {
            "index": 0,
            "id": "9729aa89b94db2a3",
            "inputs": {"q": "1+1"},
            "labels": {"a": "2"},
            "error": "ValueError",
            "error_message": "no verdict",
        }
    ]
    assert {name for name in emitted.attributes(3) if name.startswith("dspy.example.")} == {
        "dspy.example.index",
        "dspy.example.id",
        "dspy.example.inputs",
        "dspy.example.labels",
        "dspy.example.error.message",
    }


@pytest.mark.parametrize(
    ("of_evaluation", "of_example", "program", "role"),
    [(None, None, None, "task"), (7, None, 7, "judge"), (7, 8, 8, "judge"), (None, 8, 8, "judge")],
)
def test_roles_of_the_calls_of_an_example(
    of_evaluation: int | None, of_example: int | None, program: int | None, role: str
) -> None:
    """Where the program's calls are instrumented, all other direct calls are the metric's."""
    emitted = Emitted()
    evaluation = _evaluate(emitted, program=of_evaluation)
    example = open_example(emitted.telemetry, evaluation, 0, EXAMPLE, of_example)
    place = call_context_in(example.context)
    assert (place.program, place.role, place.evaluation) == (program, role, None)
    assert (place.gate is None) == (program is None)
    assert (place.usage, identity(get_current_span(example.context))) == (example.usage, 3)
    with current(example.context):
        inner = _evaluate(emitted, program=9)
        nested = open_example(emitted.telemetry, inner, 0, EXAMPLE)
    assert call_context_in(nested.context).role == "judge"
    assert call_context_in(nested.context).program == (None if role == "judge" else 9)
    close_example(emitted.telemetry, nested, ExampleOutcome())
    close_evaluate(emitted.telemetry, inner, EvaluateOutcome())
    close_example(emitted.telemetry, example, ExampleOutcome())
    close_evaluate(emitted.telemetry, evaluation, EvaluateOutcome())


def test_the_metric_of_an_example_that_failed() -> None:
    """Once the program has returned, an exception is the metric's: it has a span with the error below the example's."""
    emitted, program, error = Emitted(), object(), ValueError("no verdict")
    evaluation = _evaluate(emitted, program=id(program))
    example = open_example(emitted.telemetry, evaluation, 0, EXAMPLE)
    gate = call_context_in(example.context).gate
    assert gate is not None
    assert gate.enter(example.context, program) is example.context
    gate.leave(program, None)
    close_example(emitted.telemetry, example, ExampleOutcome(error=error))
    close_evaluate(emitted.telemetry, evaluation, EvaluateOutcome())
    assert emitted.tree()[2:] == [(3, None, "example exact"), (4, 3, "metric exact")]
    assert [emitted.attributes(number)["error.type"] for number in (3, 4)] == ["ValueError", "ValueError"]


@pytest.mark.contract_gaps("and the calls below sum up to 0")  # the usage is counted without a call
def test_usage_of_an_example_is_the_evaluations_too() -> None:
    """Without the parts by role and by model, which the evaluation has."""
    emitted = Emitted()
    evaluation = _evaluate(emitted, devset=[EXAMPLE])
    example = open_example(emitted.telemetry, evaluation, 0, EXAMPLE)
    example.usage.add(CallUsage(input_tokens=3, output_tokens=4, cost=0.5), "task", "gpt")
    close_example(emitted.telemetry, example, ExampleOutcome())
    close_evaluate(emitted.telemetry, evaluation, EvaluateOutcome())
    example.usage.add(CallUsage(), "task", "gpt")
    used = {"input_tokens": 3, "output_tokens": 4, "lm_calls": 1, "cache_hits": 0, "cost": 0.5}
    total = {f"dspy.usage.{name}": value for name, value in used.items()}
    found = {name: value for name, value in emitted.attributes(3).items() if "usage" in name}
    assert found == total
    assert emitted.attributes(1).items() >= {**total, "dspy.usage.role.task.lm_calls": 1}.items()


def test_the_context_of_a_linked_example() -> None:
    """A sampler sees no parent but what the caller has in its context."""
    emitted = Emitted()
    with current(set_value("own", 1, get_current())):
        evaluation = _evaluate(emitted, devset=[EXAMPLE])
    starts = emitted.starts()
    example = open_example(emitted.telemetry, evaluation, 0, EXAMPLE)
    assert example.context["own"] == 1
    (parent,) = starts
    assert (get_current_span(parent), parent["own"]) == (INVALID_SPAN, 1)
    close_example(emitted.telemetry, example, ExampleOutcome())
    close_evaluate(emitted.telemetry, evaluation, EvaluateOutcome())
    assert emitted.spans[3].parent is None
