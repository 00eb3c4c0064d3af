"""A compile recorded span by span and read back from a real store."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, cast

import pytest
import requests

from tests.integration.mlflow.conftest import SERVER_IS_SLOW, CallContext
from tests.integration.mlflow.contract_spans import program_state
from tests.support.mlflow_tree import read_tree

if TYPE_CHECKING:
    from tests.integration.mlflow.contract_spans import SpanEmitter
    from tests.support.mlflow_server import MlflowServer
    from tests.support.mlflow_tree import SpanNode

INITIAL, BETTER = program_state("Answer."), program_state("Think, then answer.", padding=400_000)
ROWS: list[dict[str, Any]] = [{"question": f"{n} + 1?", "answer": str(n + 1)} for n in range(30)]
COMPILE_ID = "c" * 32


def emit_compile(emitter: SpanEmitter) -> None:
    """Two trials, the second better, its program too large for one attribute."""
    with emitter.compile(state=INITIAL, rows=ROWS) as span:
        first: dict[str, Any] = {"dspy.trial.best_score": 50.0, "dspy.trial.label": "baseline"}
        with emitter.trial(0, score=50.0, state=INITIAL, **first), emitter.evaluate([1.0, 0.0], trial=0):
            pass
        second: dict[str, Any] = {"dspy.trial.best_score": 50.0}
        with (
            emitter.trial(1, score=75.0, state=BETTER, scope="minibatch", **second),
            emitter.evaluate([1.0, float("nan")], trial=1, scope="minibatch"),
        ):
            pass
        span.set_attributes(
            {
                "dspy.optimizer.parameter.num_trials": 2,
                "dspy.compile.initial_score": 50.0,
                "dspy.compile.best_score": 50.0,
                "dspy.compile.best_trial.index": 0,
                "dspy.compile.trial.count": 2,
                "dspy.trial.score.unit": "percent",
                **{f"dspy.usage.{name}": value for name, value in emitter.usage.items() if name == "cost"},
                **{f"dspy.usage.{name}": int(value) for name, value in emitter.usage.items() if name != "cost"},
            }
        )
        emitter.program(span, BETTER)


def span_names(spans: tuple[SpanNode, ...]) -> list[Any]:
    """Names of spans as nested lists."""
    return [[span.name, *span_names(span.children)] if span.children else span.name for span in spans]


def test_a_compile_is_a_run_with_a_child_for_each_trial(place: CallContext) -> None:
    """Parameters, curves, tags, programs, datasets, result tables and the LoggedModel are logged."""
    emit_compile(place.emitter(COMPILE_ID))
    tree = place.read()

    (parent,) = tree.runs
    assert (parent.name, parent.status) == ("MIPROv2 ChainOfThought", "FINISHED")
    assert parent.params == {
        "max_bootstrapped_demos": "4", "auto": "light", "minibatch": "True", "num_trials": "2",
        "lm.model": "openai/tiny", "lm.temperature": "0.5",
    }  # fmt: skip
    assert parent.metrics == {
        "score/best": ((0, 50.0), (1, 50.0), (2, 50.0)),
        "usage/cost": ((0, 0.002), (1, 0.004), (2, 0.004)),
        "score/full": ((0, 50.0),),
        "score/minibatch": ((1, 75.0),),
        "score/initial": ((0, 50.0),),
        "usage/input_tokens": ((0, 20.0), (1, 40.0), (2, 40.0)),
        "usage/lm_calls": ((0, 2.0), (1, 4.0), (2, 4.0)),
        "usage/output_tokens": ((0, 10.0), (1, 20.0), (2, 20.0)),
    }
    assert [(context, name) for context, name, _ in parent.inputs] == [("train", "trainset"), ("validation", "valset")]
    assert sorted(parent.artifacts) == [
        "best_model.json", "initial_model.json", "optimization_summary.json", "trainset.json", "valset.json",
    ]  # fmt: skip
    assert parent.artifacts["initial_model.json"] == json.loads(INITIAL)
    assert parent.artifacts["best_model.json"] == json.loads(BETTER)
    table = parent.artifacts["trainset.json"]
    assert table["columns"] == ["question", "answer"]
    assert table["data"] == [[row["question"], row["answer"]] for row in ROWS]
    assert json.loads(parent.tags["mlflow.loggedArtifacts"]) == [
        {"path": "trainset.json", "type": "table"}, {"path": "valset.json", "type": "table"},
    ]  # fmt: skip
    summary = parent.artifacts["optimization_summary.json"]
    assert (summary["best_score"], summary["score_unit"], summary["best_trial"]) == (50.0, "percent", 0)
    assert [(trial["index"], trial["score"], trial["scope"]) for trial in summary["trials"]] == [
        (0, 50.0, "full"), (1, 75.0, "minibatch"),
    ]  # fmt: skip

    first, second = parent.children
    assert (first.name, first.status, second.name) == ("trial 0: instruction 0", "FINISHED", "trial 1: instruction 1")
    assert second.params == {"0_predictor_instruction": "1"}
    assert second.metrics["score/minibatch"] == ((0, 75.0),)
    assert second.metrics["usage/input_tokens"] == ((0, 20.0),)
    # The baseline's state had gone out with the setup; the second's in pieces.
    assert first.artifacts["model.json"] == json.loads(INITIAL)
    assert second.artifacts["model.json"] == json.loads(BETTER)
    assert second.artifacts["result_table.json"] == {
        "columns": [
            "index", "example_question", "example_answer", "pred_answer", "pred_reasoning", "score", "error",
            "error_message", "feedback", "example_id",
        ],
        "data": [
            [0, "1 + 0?", "1", "1", "Because.", 1.0, None, None, "scored 1", "e0"],
            [1, "1 + 1?", "2", None, None, None, "ValueError", "no number", None, "e1"],
        ],
    }  # fmt: skip
    assert [model.status for model in parent.models] == ["READY"]
    assert parent.models == second.models
    assert parent.models[0].artifacts == {"best_model.json": json.loads(BETTER)}


@SERVER_IS_SLOW
def test_traces_of_a_compile_belong_to_their_runs(place: CallContext) -> None:
    """One control trace on the parent; an example's trace on its trial, with its score, its chat and its error."""
    emit_compile(place.emitter(COMPILE_ID))
    tree = place.read()

    assert tree.traces == ()
    (parent,) = tree.runs
    (control,) = parent.traces
    assert (control.name, control.state) == ("MIPROv2 ChainOfThought", "OK")
    assert span_names(control.spans) == [
        [
            "compile MIPROv2",
            ["setup MIPROv2", "dataset train", "dataset validation"],
            ["trial MIPROv2", "evaluate exact_match"],
            ["trial MIPROv2", "evaluate exact_match"],
        ]
    ]
    (kept, failed) = parent.children[1].traces
    assert (kept.name, kept.state, kept.request_preview) == (
        "ChainOfThought example 0", "OK", '{"question": "1 + 0?"}',
    )  # fmt: skip
    assert span_names(kept.spans) == [["example exact_match", ["module ChainOfThought", "chat tiny"]]]
    assert [span.type for span in kept.walk()] == ["EVALUATOR", "CHAIN", "CHAT_MODEL"]
    (score,) = kept.assessments
    assert (score.name, score.value, score.rationale, score.source, score.span) == (
        "exact_match", 1.0, "scored 1", "CODE", None,
    )  # fmt: skip
    assert (failed.state, failed.response_preview) == ("ERROR", None)
    (broken,) = failed.assessments
    assert (broken.name, broken.value, broken.error) == ("exact_match", None, ("ValueError", "no number"))
    assert json.loads(kept.metadata["mlflow.trace.tokenUsage"])["input_tokens"] == 10
    assert json.loads(kept.metadata["mlflow.trace.cost"])["total_cost"] == pytest.approx(0.001)
    chat = list(kept.walk())[-1]
    assert chat.inputs == [{"role": "user", "parts": [{"type": "text", "content": "1 + 0?"}]}]
    # What is an artifact of a run is not in a trace as well.
    heavy = {"dspy.program.state", "dspy.dataset.rows", "dspy.evaluate.results"}
    assert not any(heavy & span.attributes.keys() for trace in (control, kept) for span in trace.walk())


@SERVER_IS_SLOW
def test_nested_shape_is_one_trace_with_scores_on_its_spans(place: CallContext) -> None:
    """In shape `nested` the whole compile is one trace, and each score is on its example's span."""
    emit_compile(place.emitter(COMPILE_ID, nested=True))
    (parent,) = place.read().runs
    (trace,) = parent.traces
    assert [run.traces for run in parent.children] == [(), ()]
    assert sum(span.name == "example exact_match" for span in trace.walk()) == 4
    assert [(score.value, score.span) for score in trace.assessments] == [
        (1.0, "example exact_match"), (0.0, "example exact_match"), (1.0, "example exact_match"),
        (None, "example exact_match"),
    ]  # fmt: skip
    assert trace.state == "OK"


@SERVER_IS_SLOW
def test_a_compile_is_seen_while_it_runs(place: CallContext) -> None:
    """After the setup the run is there, RUNNING, with its inputs; after a trial that trial's run is."""
    emitter = place.emitter(COMPILE_ID)
    with emitter.compile(state=INITIAL, rows=ROWS):
        (running,) = place.read().runs
        assert (running.status, running.params["auto"], len(running.inputs)) == ("RUNNING", "light", 2)
        assert "initial_model.json" in running.artifacts
        with emitter.trial(0, score=50.0, state=INITIAL):
            pass
        (running,) = place.read().runs
        assert [(run.name, run.status) for run in running.children] == [("trial 0: instruction 0", "FINISHED")]
    assert place.read().runs[0].status == "FINISHED"


@SERVER_IS_SLOW
@pytest.mark.parametrize(
    ("raised", "status"), [(RuntimeError, "FAILED"), (KeyboardInterrupt, "KILLED"), (SystemExit, "KILLED")]
)
def test_a_compile_that_raises_ends_as_what_it_was(
    place: CallContext, raised: type[BaseException], status: str
) -> None:
    """An error is FAILED, an interruption KILLED; the error is logged, and there is no best model."""
    emitter = place.emitter(COMPILE_ID)

    def broken() -> None:
        with emitter.compile(state=INITIAL), emitter.trial(0, score=None, state=INITIAL):
            raise raised("out of luck")

    with pytest.raises(raised):
        broken()
    (parent,) = place.read().runs
    assert (parent.status, parent.tags["error.type"]) == (status, raised.__name__)
    assert parent.tags["error.message"] == "out of luck"
    assert "best_model.json" not in parent.artifacts
    assert parent.models == ()
    assert parent.traces[0].state == "ERROR"


@SERVER_IS_SLOW
def test_a_failed_trial_is_a_failed_run_without_a_score(place: CallContext) -> None:
    """Its error is on its own run; the compile continues and has no point for it on its curve."""
    emitter = place.emitter(COMPILE_ID)
    more: dict[str, Any] = {"dspy.trial.state": "fail", "error.type": "ValueError"}
    with emitter.compile(state=INITIAL), emitter.trial(0, score=None, state=INITIAL, **more):
        pass
    (parent,) = place.read().runs
    (trial,) = parent.children
    assert (trial.status, trial.tags["error.type"], "score/full" in trial.metrics) == ("FAILED", "ValueError", False)
    assert (parent.status, "score/full" in parent.metrics) == ("FINISHED", False)


@SERVER_IS_SLOW
def test_a_nested_compile_is_a_child_of_its_trial(place: CallContext) -> None:
    """It has its own run below the trial's and no LoggedModel, and changes nothing on the outer one's."""
    outer = place.emitter(COMPILE_ID)
    with outer.compile(state=INITIAL), outer.trial(0, score=1.0, state=INITIAL):
        inner = type(outer)(outer.tracer, compile_id="d" * 32)
        with inner.compile("BootstrapFewShot", parent=COMPILE_ID, parent_trial=0, state=INITIAL) as span:
            inner.program(span, INITIAL)
    (parent,) = place.read().runs
    (trial,) = parent.children
    (nested,) = trial.children
    assert (nested.name, nested.status, nested.models) == ("BootstrapFewShot ChainOfThought", "FINISHED", ())
    assert "best_model.json" in nested.artifacts
    assert "best_model.json" not in parent.artifacts
    assert nested.traces == ()


def test_a_conflicting_parameter_does_not_take_the_others_along(place: CallContext) -> None:
    """Parameters are logged at setup and at the end; a changed one is rejected alone and counted."""
    emitter = place.emitter(COMPILE_ID)
    with emitter.compile(state=INITIAL) as span:
        span.set_attributes({"dspy.optimizer.parameter.auto": "heavy", "dspy.optimizer.parameter.num_trials": 7})
    (processor,) = place.processors
    assert processor.force_flush(120_000)
    assert processor.lost == 1
    (parent,) = read_tree(place.uri, place.experiment).runs
    assert (parent.params["auto"], parent.params["num_trials"], parent.status) == ("light", "7", "FINISHED")


@SERVER_IS_SLOW
def test_without_log_evals_the_curves_stay(place: CallContext) -> None:
    """`log_evals=False`: no child runs, the parent's metrics as ever, example traces on the parent."""
    emit_compile(place.emitter(COMPILE_ID, log_evals=False))
    (parent,) = place.read().runs
    assert parent.children == ()
    assert parent.metrics["score/full"] == ((0, 50.0),)
    assert len(parent.traces) == 5


@SERVER_IS_SLOW
def test_without_traces_from_compile_the_runs_stay(place: CallContext) -> None:
    """`log_traces_from_compile=False`: every run, no trace."""
    emit_compile(place.emitter(COMPILE_ID, log_traces_from_compile=False))
    (parent,) = place.read().runs
    assert [len(run.traces) for run in parent.walk()] == [0, 0, 0]


@SERVER_IS_SLOW
def test_two_compiles_side_by_side_keep_apart(place: CallContext) -> None:
    """Interleaved spans of two compiles end in two run trees that share nothing."""
    one = place.emitter("1" * 32)
    two = type(one)(one.tracer, compile_id="2" * 32)
    with one.compile(state=INITIAL) as first:
        with one.trial(0, score=10.0, state=INITIAL):
            pass
        first.set_attribute("dspy.compile.best_score", 10.0)
    with two.compile(state=BETTER) as second:
        with two.trial(0, score=20.0, state=BETTER):
            pass
        second.set_attribute("dspy.compile.best_score", 20.0)
    # Both may start within the same millisecond, which leaves their order open.
    runs = sorted(place.read().runs, key=lambda run: run.metrics["score/full"])
    assert [run.metrics["score/full"] for run in runs] == [((0, 10.0),), ((0, 20.0),)]
    assert [run.children[0].metrics["score/full"] for run in runs] == [((0, 10.0),), ((0, 20.0),)]


def test_requests_stay_within_the_budget(server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most 1.5 requests an example and 10 a trial reach the server (its own access counted at the client)."""
    place = CallContext(server.uri, f"budget-{time.time_ns()}", [])
    sent: list[str] = []
    original = requests.Session.request

    def counted(self: requests.Session, method: str, url: str, *args: object, **kwargs: object) -> requests.Response:
        sent.append(url)
        return cast("Any", original)(self, method, url, *args, **kwargs)

    monkeypatch.setattr(requests.Session, "request", counted)
    emitter, trials, examples = place.emitter(COMPILE_ID), 6, 20
    with emitter.compile(state=INITIAL, rows=ROWS):
        (processor,) = place.processors
        assert processor.force_flush(120_000)
        opening = len(sent)
        for index in range(trials):
            with (
                emitter.trial(index, score=50.0, state=program_state(str(index))),
                emitter.evaluate([1.0] * examples, trial=index),
            ):
                pass
        assert processor.force_flush(120_000)
    during = sent[opening:]
    traces = sum("traces" in url for url in during)
    assert traces / (trials * examples) <= 1.5
    assert (len(during) - traces) / trials <= 10
