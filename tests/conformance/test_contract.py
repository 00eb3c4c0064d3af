"""The checker itself: it reports nothing for a valid optimization and names each way of breaking one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry._logs import LogRecord
from opentelemetry.trace import INVALID_SPAN, SpanKind, set_span_in_context

from tests.conformance.contract import EVERYTHING, beyond_gaps, event_violations, metric_violations, violations
from tests.conformance.scene import COMPILE_ID, Node, emit, optimization
from tests.support.telemetry_capture import TelemetryCapture

if TYPE_CHECKING:
    from collections.abc import Generator

Breakage = Callable[[Node], Any]


@pytest.fixture
def broken() -> Generator[TelemetryCapture]:
    """Telemetry that is broken on purpose, so that no other check sees it."""
    captured = TelemetryCapture()
    yield captured
    captured.shutdown()


def _found(captured: TelemetryCapture, *roots: Node, opted_in: frozenset[str] = EVERYTHING) -> list[str]:
    emit(captured.tracer_provider.get_tracer("otel_dspy"), roots)
    return violations(captured.spans, opted_in=opted_in)


def test_a_good_optimization_has_no_violations(broken: TelemetryCapture) -> None:
    """What the contract asks for passes, so every violation below is due to what that test broke."""
    assert _found(broken, optimization()) == []


def _set(span: str, **attributes: object) -> Breakage:
    """Set attributes of one span; `__` in a keyword stands for a dot, None removes."""

    def breakage(root: Node) -> None:
        node = root.find(span)
        for keyword, value in attributes.items():
            name = f"dspy.{keyword.replace('__', '.')}"
            if value is None:
                del node.attributes[name]
            else:
                node.attributes[name] = value

    return breakage


def _add(span: str, name: str, value: str) -> Breakage:
    """Set an attribute that otel-dspy does not declare."""
    return lambda root: root.find(span).attributes.update({name: value})


def _change(span: str, **fields: object) -> Breakage:
    """Change what a span is besides its attributes."""
    return lambda root: vars(root.find(span)).update(fields)


def _lose_pieces(keep: int) -> Breakage:
    """Keep only so many pieces of the program's state."""
    return lambda root: root.find("setup COPRO").below.__delitem__(slice(keep, None))


@pytest.mark.parametrize(
    ("breakage", "expected"),
    [
        (_set("trial COPRO", trial__color="red"), "dspy.trial.color is declared nowhere"),
        (_set("module Predict", trial__score=1.0), "dspy.trial.score does not belong here"),
        (_set("trial COPRO", trial__state=None), "dspy.trial.state is required and absent"),
        (_set("evaluate m", evaluate__score=100), "dspy.evaluate.score is a int, not double"),
        (_set("evaluate m", evaluate__num_errors=False), "dspy.evaluate.num_errors is a bool, not int"),
        (_set("evaluate m", evaluate__num_errors="0"), "dspy.evaluate.num_errors is a str, not int"),
        (_set("trial COPRO", program__parent__ids="a"), "dspy.program.parent.ids is a str, not string[]"),
        (_set("trial COPRO", trial__kind="odd"), "dspy.trial.kind is 'odd', not one of baseline, candidate"),
        (_set("trial COPRO", operation__name="step"), "dspy.operation.name is 'step'"),
        (_change("trial COPRO", name="trial COPRO 7"), "its name should be 'trial COPRO'"),
        (_change("trial COPRO", name="guess COPRO"), "'guess COPRO': no such span in the contract"),
        (_change("trial COPRO", kind=SpanKind.CLIENT), "its kind is CLIENT, not INTERNAL"),
        (_change("evaluate m", failed=True), "it failed without error.type"),
        (_change("trial COPRO", linked=True), "it is a root, and its parent must be one of"),
        (_set("example m", compile__id="d" * 32), f"dspy.compile.id is '{'d' * 32}' where '{COMPILE_ID}' encloses it"),
        (_set("example m", trial__index=1), "dspy.trial.index is 1 where 0 encloses it"),
        (_set("compile COPRO", compile__depth=1), "dspy.compile.depth is 1 where None encloses it"),
        (_set("compile COPRO", compile__trial__count=2), "it counts 2 trials and has 1"),
        (_set("trial COPRO", trial__index=1), "its trials are numbered [1]"),
        (_set("evaluate m", usage__input_tokens=20), "dspy.usage.input_tokens is 20, and the calls below sum up to 10"),
        (_set("evaluate m", usage__cost=1.0), "dspy.usage.cost is 1.0, and the calls below sum up to 0.5"),
        (_set("evaluate m", usage__cache_hits=0), "dspy.usage.cache_hits is 0, and the calls below sum up to 1"),
        (_set("chat gpt", lm__role="judge"), "dspy.usage.role.judge.lm_calls is None, and its calls below sum up to 1"),
        (
            _set("trial COPRO", compile__usage__role__judge__lm_calls=1),
            "dspy.compile.usage.lm_calls is 2, and the roles sum up to 1",
        ),
        (_lose_pieces(1), "the pieces of dspy.program.state cannot be joined"),
        (
            _lose_pieces(0),
            "dspy.program.state refers to pieces that were never sent",
        ),
        (
            _set("setup COPRO", program__state='{"$payload": "0", "bytes": 1}'),
            "the pieces of dspy.program.state are not the text that it refers to",
        ),
        (_set("trial COPRO", program__state="{}"), f"the state of program {'a' * 16} went out 2 times"),
        (_set("setup COPRO", program__id=None), f"the state of program {'a' * 16} went out 0 times"),
        (_add("chat gpt", "gen_ai.mood", "good"), "gen_ai.mood is not a name"),
        (_add("trial COPRO", "color", "red"), "color is not a name"),
        (_add("chat gpt", "gen_ai.operation.name", "sing"), "no such span"),
        (_add("trial COPRO", "error.type", "E"), "the status is UNSET"),
    ],
)
def test_each_way_of_breaking_a_span_is_named(broken: TelemetryCapture, breakage: Breakage, expected: str) -> None:
    """One change to a good optimization gives a violation that names the error."""
    root = optimization()
    breakage(root)
    assert [text for text in _found(broken, root) if expected in text] != []


def test_an_example_must_link_to_its_evaluation(broken: TelemetryCapture) -> None:
    """A root example without a link, or with a link to another span, belongs to nothing."""
    root = optimization()
    example = root.find("evaluate m").below.pop()
    found = _found(broken, root, example)
    assert "'example m': it is a root without one link to its evaluation" in found


def test_a_parent_of_the_wrong_kind_is_named(broken: TelemetryCapture) -> None:
    """A setup below an evaluation stands in the wrong place."""
    root = optimization()
    setup = root.below.pop(0)
    root.find("evaluate m").below.append(setup)
    assert "'setup COPRO': its parent is 'evaluate m', not one of span.dspy.compile" in _found(broken, root)


def test_an_orphan_is_named(broken: TelemetryCapture) -> None:
    """A span whose parent was never exported is an orphan, even where any parent would do."""
    emit(broken.tracer_provider.get_tracer("otel_dspy"), [optimization()])
    without_module = [span for span in broken.spans if span.name != "module Predict"]
    found = violations(without_module)
    assert found.count("'chat gpt': its parent was never exported") == 2


def test_content_is_sent_only_where_it_is_enabled(broken: TelemetryCapture) -> None:
    """With all capture off, each attribute that carries content is a violation."""
    found = _found(broken, optimization(), opted_in=frozenset())
    assert sorted(found) == [
        "'chat gpt': gen_ai.output.messages went out though content capture is off",
        "'chat gpt': gen_ai.output.messages went out though content capture is off",
        "'example m': dspy.example.inputs went out though content capture is off",
        "'setup COPRO': dspy.program.state went out though programs capture is off",
    ]


def test_spans_of_other_scopes_are_let_be(broken: TelemetryCapture) -> None:
    """What a user's own tracer emits is none of the contract's business, and may be a parent."""
    emit(broken.tracer_provider.get_tracer("theirs"), [Node("anything", {"dspy.nonsense": 1})])
    assert violations(broken.spans) == []


def test_each_way_of_breaking_a_metric_is_named(broken: TelemetryCapture) -> None:
    """Unknown names, units, descriptions, instruments and attributes are named, and missing attributes too."""
    meter = broken.meter_provider.get_meter("otel_dspy")
    duration = "How long a compile took."
    meter.create_histogram("dspy.trial.duration", unit="ms", description=duration).record(1, {"dspy.trial.index": 3})
    meter.create_counter("dspy.compile.duration", unit="s", description=duration).add(1, {"dspy.optimizer.name": "C"})
    meter.create_counter("dspy.surprise").add(1)
    meter.create_histogram("gen_ai.client.token.usage").record(1)
    assert metric_violations(broken.metrics()) == [
        "'dspy.trial.duration': its unit is 'ms', not 's'",
        "'dspy.trial.duration': its description is 'How long a compile took.', not 'How long a trial took.'",
        "'dspy.trial.duration': dspy.trial.index does not belong here",
        "'dspy.trial.duration': dspy.optimizer.name is required and absent",
        "'dspy.compile.duration': it is a counter, not a histogram",
        "'dspy.surprise': no such metric in the contract",
    ]
    assert metric_violations(None) == []


def test_each_way_of_breaking_an_event_is_named(broken: TelemetryCapture) -> None:
    """Unknown events, wrong attributes and events outside every span are named."""
    logger = broken.logger_provider.get_logger("otel_dspy")
    nowhere = set_span_in_context(INVALID_SPAN)
    with broken.tracer_provider.get_tracer("theirs").start_as_current_span("around"):
        logger.emit(LogRecord(event_name="dspy.surprise"))
        logger.emit(LogRecord(event_name="dspy.compile.started", attributes={"dspy.compile.id": 1}))
    logger.emit(
        LogRecord(event_name="gen_ai.evaluation.result", attributes={"gen_ai.evaluation.name": "m"}, context=nowhere)
    )
    assert event_violations(broken.events) == [
        "'dspy.surprise': no such event in the contract",
        "'dspy.compile.started': dspy.compile.id is a int, not string",
        "'dspy.compile.started': dspy.optimizer.name is required and absent",
        "'dspy.compile.started': dspy.program.name is required and absent",
        "'gen_ai.evaluation.result': it stands in no span",
    ]


def test_a_known_gap_is_let_pass_only_while_it_is_there() -> None:
    """A gap hides its own violation and no other; once mended it is a failure itself."""
    assert beyond_gaps(["'a': x is absent"], ["x is absent"]) == []
    assert beyond_gaps(["'a': x is absent", "'b': y"], ["x is absent"]) == ["'b': y"]
    assert beyond_gaps([], ["x is absent"]) == ["a known gap is mended, take it out: x is absent"]
