"""MLflow's final state is independent of the order in which an optimization's spans are received."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st

from otel_dspy.mlflow.mapping import dispatch as mapping
from otel_dspy.mlflow.mapping.compile_aggregator import CompileAggregator
from otel_dspy.mlflow.records import decode
from otel_dspy.mlflow.records.route import Options
from tests.support.mlflow_store_model import Model
from tests.support.optimization_strategies import optimizations

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from tests.support.optimization_strategies import SpanInTrace

FLAGS = st.builds(Options, log_evals=st.booleans(), log_compiles=st.booleans(), log_traces=st.booleans())


def _end_state(recorded: Sequence[SpanInTrace], options: Options) -> dict[str, Any]:
    model, aggregator = Model(), CompileAggregator()
    for span, context in recorded:
        record = decode.record_of(span)
        for operation in mapping.operations(record, options, context, aggregator.add(record)):
            model.apply(operation)
    return model.state()


@settings(max_examples=150)
@given(optimizations(), FLAGS, st.randoms())
def test_any_order_ends_the_same(recorded: list[SpanInTrace], options: Options, chance: Random) -> None:
    """Runs, parameters, metrics, artifacts, summaries, models and traces are independent of the order of the spans."""
    expected = _end_state(recorded, options)
    shuffled = list(recorded)
    chance.shuffle(shuffled)
    assert _end_state(shuffled, options) == expected


@settings(max_examples=100)
@given(optimizations(), FLAGS, st.randoms())
def test_what_comes_twice_counts_once(recorded: list[SpanInTrace], options: Options, chance: Random) -> None:
    """At-least-once delivery: duplicated at once, all again after the end, or again at random."""
    expected = _end_state(recorded, options)
    doubled = [*recorded, *recorded]
    assert _end_state(doubled, options) == expected
    assert _end_state([span for span in recorded for _ in range(2)], options) == expected
    chance.shuffle(doubled)
    assert _end_state(doubled, options) == expected
