"""Stand-alone evaluations and program calls, alone and inside a user's run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import mlflow
import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from otel_dspy.mlflow import MlflowSpanProcessor
from otel_dspy.mlflow.tracking.artifacts import table_list
from otel_dspy.mlflow.tracking.artifacts.table_list import LOGGED_ARTIFACTS_TAG
from tests.integration.mlflow.conftest import DELIVERY, SERVER_IS_SLOW
from tests.integration.mlflow.contract_spans import SpanEmitter, program_state, provider

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.integration.mlflow.conftest import CallContext
    from tests.support.mlflow_tree import RunNode

STATE = program_state("Answer.")


@pytest.fixture
def as_users_do(place: CallContext) -> Generator[SpanEmitter]:
    """A recorder whose processor has no settings: MLflow's own settings determine the destination."""
    before = mlflow.get_tracking_uri()
    processor = MlflowSpanProcessor()
    place.processors.append(processor)
    mlflow.set_tracking_uri(place.uri)
    mlflow.set_experiment(place.experiment)
    try:
        yield SpanEmitter(provider(processor, abs(hash(place.experiment)) >> 35).get_tracer("otel_dspy"))
    finally:
        mlflow.set_tracking_uri(before)


def call(emitter: SpanEmitter) -> None:
    """A program call."""
    with emitter.span("module Predict", "module", **{"dspy.module.type": "Predict"}) as span:
        span.set_attributes({"dspy.module.input": '{"question": "2?"}', "dspy.module.output": '{"answer": "2"}'})
        emitter.chat("2?", "2")


@SERVER_IS_SLOW
def test_a_stand_alone_evaluation_is_a_run(place: CallContext) -> None:
    """Score, results, program and dataset are on its run, and each example's trace belongs to it."""
    emitter = place.emitter()
    with emitter.evaluate([1.0, 0.0, 1.0]) as span:
        emitter.dataset("evaluation", "devset", [{"question": "1?", "answer": "1"}])
        emitter.program(span, STATE)
    (run,) = place.read().runs
    assert (run.name, run.status, run.metrics["score/full"]) == (
        "evaluate ChainOfThought",
        "FINISHED",
        ((0, 100 * 2 / 3),),
    )
    assert [(context, name) for context, name, _ in run.inputs] == [("evaluation", "devset")]
    assert sorted(run.artifacts) == ["evalset.json", "model.json", "result_table.json"]
    assert run.artifacts["model.json"] == json.loads(STATE)
    assert sorted(str(found.name) for found in run.traces) == [
        "ChainOfThought example 0", "ChainOfThought example 1", "ChainOfThought example 2", "evaluate ChainOfThought",
    ]  # fmt: skip


def test_without_traces_from_eval_the_run_stays(place: CallContext) -> None:
    """`log_traces_from_eval=False`: the run and its table, no trace."""
    with place.emitter(log_traces_from_eval=False).evaluate([1.0]):
        pass
    (run,) = place.read().runs
    assert (run.metrics["score/full"], run.traces, "result_table.json" in run.artifacts) == (((0, 100.0),), (), True)


@SERVER_IS_SLOW
def test_what_happens_inside_a_users_run_is_logged_there(place: CallContext, as_users_do: SpanEmitter) -> None:
    """Evaluations write into the user's run, both tables kept; a compile is its child; a call's trace belongs to it."""
    with mlflow.start_run(run_name="mine"):
        with as_users_do.evaluate([1.0]):
            pass
        with as_users_do.evaluate([0.0]):
            pass
        call(as_users_do)
        compiling = SpanEmitter(as_users_do.tracer, compile_id="a" * 32)
        with compiling.compile(state=STATE), compiling.trial(0, score=1.0, state=STATE):
            pass
        open_still = place.read().runs
        assert [run.status for run in open_still] == ["RUNNING"]
    (mine,) = place.read().runs
    assert (mine.name, mine.status) == ("mine", "FINISHED")
    assert sorted(mine.artifacts) == ["result_table.json", "result_table_2.json"]
    assert {value for _, value in mine.metrics["score/full"]} == {100.0, 0.0}
    assert "Predict" in [found.name for found in mine.traces]
    assert [(run.name, run.status) for run in mine.children] == [("MIPROv2 ChainOfThought", "FINISHED")]


@SERVER_IS_SLOW
def test_both_programs_of_a_before_and_after_are_kept(place: CallContext, as_users_do: SpanEmitter) -> None:
    """Two programs evaluated in one run of the user's: each is there by its id, `model.json` is the later one."""
    states = [program_state("Before."), program_state("After.")]
    with mlflow.start_run():
        for state in states:
            with as_users_do.evaluate([1.0]) as span:
                as_users_do.program(span, state)
    (run,) = place.read().runs
    programs = [content for path, content in run.artifacts.items() if path.startswith("programs/")]
    assert sorted(programs, key=str) == sorted(map(json.loads, states), key=str)
    assert run.artifacts["model.json"] == json.loads(states[1])


def _listed(run: RunNode) -> list[str]:
    return [str(entry["path"]) for entry in json.loads(run.tags[LOGGED_ARTIFACTS_TAG])]


@SERVER_IS_SLOW
def test_tables_of_others_in_a_users_run_stay(place: CallContext, as_users_do: SpanEmitter) -> None:
    """The user's own table, and those of another process, are listed as before, and none is overwritten."""
    first, second = place.processors[-1], MlflowSpanProcessor()
    place.processors.append(second)
    other = SpanEmitter(provider(second, 7).get_tracer("otel_dspy"))
    with mlflow.start_run():
        for number, (emitter, processor) in enumerate([(as_users_do, first), (other, second), (as_users_do, first)]):
            with emitter.evaluate([float(number % 2)]):
                pass
            assert processor.force_flush(DELIVERY)
            mlflow.log_table({"mine": [number]}, f"mine_{number}.json")
    (run,) = place.read().runs
    tables = ["result_table.json", "result_table_2.json", "result_table_3.json"]
    assert sorted(_listed(run)) == ["mine_0.json", "mine_1.json", "mine_2.json", *tables]
    assert {name for name in run.artifacts if name.startswith("result_table")} == set(tables)


@SERVER_IS_SLOW
def test_more_tables_than_a_tag_holds(
    place: CallContext, as_users_do: SpanEmitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them are artifacts; the list is still valid JSON and contains the user's tables."""
    monkeypatch.setattr(table_list, "MAX_TAG", 1_000)
    with mlflow.start_run():
        mlflow.log_table({"mine": [0]}, "mine.json")
        for _ in range(25):
            with as_users_do.evaluate([1.0]):
                pass
        assert place.processors[-1].force_flush(120_000)
        assert place.processors[-1].lost == 0
    (run,) = place.read().runs
    assert sum(name.startswith("result_table") for name in run.artifacts) == 25
    listed = _listed(run)
    assert {"mine.json", "result_table.json"} <= set(listed)
    assert 10 < len(listed) < 26


def test_a_call_outside_all_is_one_trace(place: CallContext, as_users_do: SpanEmitter) -> None:
    """No run, one trace, named for the module, with what went in and came out."""
    call(as_users_do)
    tree = place.read()
    assert tree.runs == ()
    (found,) = tree.traces
    assert (found.name, found.state, found.request_preview, found.response_preview) == (
        "Predict", "OK", '{"question": "2?"}', '{"answer": "2"}',
    )  # fmt: skip
    assert [span.name for span in found.walk()] == ["module Predict", "chat tiny"]


def test_a_parent_of_another_library_is_dropped(place: CallContext) -> None:
    """Two calls below one span that is not ours end as two whole traces, not as one that never ends."""
    emitter = place.emitter()
    foreign = NonRecordingSpan(SpanContext(7 << 100, 7, is_remote=True, trace_flags=TraceFlags(1)))
    with trace.use_span(foreign):
        call(emitter)
        call(emitter)
    tree = place.read()
    assert [(found.name, found.state, len(found.spans)) for found in tree.traces] == [("Predict", "OK", 1)] * 2


@SERVER_IS_SLOW
def test_settings_are_read_when_a_compile_starts(place: CallContext, as_users_do: SpanEmitter) -> None:
    """A change of the experiment in the middle of a compile does not tear it apart."""
    compiling = SpanEmitter(as_users_do.tracer, compile_id="b" * 32)
    with compiling.compile(state=STATE):
        mlflow.set_experiment(f"{place.experiment}-elsewhere")
        with compiling.trial(0, score=1.0, state=STATE), compiling.evaluate([1.0], trial=0):
            pass
    (run,) = place.read().runs
    assert [len(child.traces) for child in run.children] == [1]
