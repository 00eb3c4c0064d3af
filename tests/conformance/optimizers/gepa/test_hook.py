"""GEPA's control trace: every proposal with its lineage, scores and phases, whatever became of it."""

from __future__ import annotations

from statistics import fmean

from inline_snapshot import snapshot

from otel_dspy.serialization.programs import snapshot as snapshot_of
from tests.conformance.optimizers.gepa.span_ids import parent_id, span_id
from tests.support.gepa_task import VALSET, optimize
from tests.support.gepa_trials import attributes, control_lines, front, trials, validation
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording

_SHOWN = (
    "trial.kind", "trial.label", "trial.state", "trial.scope", "trial.score", "trial.reason", "trial.parameter.",
    "evaluate.role", "evaluate.scope",
)  # fmt: skip


def test_every_iteration_is_a_trial_with_its_phases() -> None:
    """The seed, proposals accepted, rejected and given up, and a merge: lineage, minibatch, reason, score as a ratio."""
    with recording() as recorder:
        optimize()
    assert control_lines(recorder, *_SHOWN) == snapshot(
        [
            "compile GEPA trial.score.unit=ratio",
            "  setup GEPA",
            "    dataset train",
            "    dataset validation",
            '  trial GEPA trial.kind=baseline trial.label=seed trial.parameter.candidate=0 trial.parameter.iteration=0 trial.scope=full trial.score=0.3333333333333333 trial.score.unit=ratio trial.scores=[{"on":"validation","id":0,"score":1.0},{"on":"validation","id":1,"score":0.0},{"on":"validation","id":2,"score":0.0},{"on":"validation","id":3,"score":1.0},{"on":"validation","id":4,"score":0.0},{"on":"validation","id":5,"score":0.0}] trial.state=complete',
            "    phase validate",
            "      evaluate graded evaluate.role=validation evaluate.scope=full",
            '  trial GEPA trial.kind=candidate trial.label=iteration 1 trial.parameter.candidate=1 trial.parameter.components=(\'left\',) trial.parameter.iteration=1 trial.parameter.minibatch=(4, 3) trial.parameter.parents=(0,) trial.scope=full trial.score=0.5 trial.score.unit=ratio trial.scores=[{"on":"minibatch","id":4,"before":[0.0],"score":1.0},{"on":"minibatch","id":3,"before":[0.0],"score":0.0},{"on":"validation","id":0,"score":0.0},{"on":"validation","id":1,"score":1.0},{"on":"validation","id":2,"score":1.0},{"on":"validation","id":3,"score":1.0},{"on":"validation","id":4,"score":0.0},{"on":"validation","id":5,"score":0.0}] trial.state=complete',
            "    phase evaluate_parent",
            "      evaluate graded evaluate.role=parent evaluate.scope=minibatch",
            "    phase reflect",
            "    phase propose",
            "    phase evaluate_candidate",
            "      evaluate graded evaluate.role=candidate evaluate.scope=minibatch",
            "    phase validate",
            "      evaluate graded evaluate.role=validation evaluate.scope=full",
            '  trial GEPA trial.kind=candidate trial.label=iteration 2 trial.parameter.iteration=2 trial.parameter.minibatch=(1, 0) trial.parameter.parents=(0,) trial.reason=all_scores_perfect trial.scope=minibatch trial.scores=[{"on":"minibatch","id":1,"before":[1.0]},{"on":"minibatch","id":0,"before":[1.0]}] trial.state=pruned',
            "    phase merge",
            "    phase evaluate_parent",
            "      evaluate graded evaluate.role=parent evaluate.scope=minibatch",
            '  trial GEPA trial.kind=candidate trial.label=iteration 3 trial.parameter.candidate=2 trial.parameter.components=(\'right\',) trial.parameter.iteration=3 trial.parameter.minibatch=(5, 2) trial.parameter.parents=(0,) trial.scope=full trial.score=0.5 trial.score.unit=ratio trial.scores=[{"on":"minibatch","id":5,"before":[0.0],"score":1.0},{"on":"minibatch","id":2,"before":[0.0],"score":0.0},{"on":"validation","id":0,"score":1.0},{"on":"validation","id":1,"score":0.0},{"on":"validation","id":2,"score":0.0},{"on":"validation","id":3,"score":0.0},{"on":"validation","id":4,"score":1.0},{"on":"validation","id":5,"score":1.0}] trial.state=complete',
            "    phase evaluate_parent",
            "      evaluate graded evaluate.role=parent evaluate.scope=minibatch",
            "    phase reflect",
            "    phase propose",
            "    phase evaluate_candidate",
            "      evaluate graded evaluate.role=candidate evaluate.scope=minibatch",
            "    phase validate",
            "      evaluate graded evaluate.role=validation evaluate.scope=full",
            '  trial GEPA trial.kind=merge trial.label=iteration 4 trial.parameter.ancestor=0 trial.parameter.candidate=3 trial.parameter.components=(\'left\', \'right\') trial.parameter.iteration=4 trial.parameter.minibatch=(1, 2, 5, 0, 3) trial.parameter.parents=(1, 2) trial.scope=full trial.score=0.6666666666666666 trial.score.unit=ratio trial.scores=[{"on":"minibatch","id":1,"before":[1.0,0.0],"score":1.0},{"on":"minibatch","id":2,"before":[1.0,0.0],"score":1.0},{"on":"minibatch","id":5,"before":[0.0,1.0],"score":1.0},{"on":"minibatch","id":0,"before":[0.0,1.0],"score":0.0},{"on":"minibatch","id":3,"before":[1.0,0.0],"score":0.0},{"on":"validation","id":0,"score":0.0},{"on":"validation","id":1,"score":1.0},{"on":"validation","id":2,"score":1.0},{"on":"validation","id":3,"score":0.0},{"on":"validation","id":4,"score":1.0},{"on":"validation","id":5,"score":1.0}] trial.state=complete',
            "    phase merge",
            "      phase evaluate_candidate",
            "        evaluate graded evaluate.role=candidate evaluate.scope=minibatch",
            "    phase validate",
            "      evaluate graded evaluate.role=validation evaluate.scope=full",
            '  trial GEPA trial.kind=candidate trial.label=iteration 5 trial.parameter.components=(\'left\',) trial.parameter.iteration=5 trial.parameter.minibatch=(4, 3) trial.parameter.parents=(2,) trial.reason=New subsample score 1.0 not better than old score 1.0 trial.scope=minibatch trial.score=0.5 trial.score.unit=ratio trial.scores=[{"on":"minibatch","id":4,"before":[0.0],"score":0.0},{"on":"minibatch","id":3,"before":[1.0],"score":1.0}] trial.state=rejected',
            "    phase evaluate_parent",
            "      evaluate graded evaluate.role=parent evaluate.scope=minibatch",
            "    phase reflect",
            "    phase propose",
            "    phase evaluate_candidate",
            "      evaluate graded evaluate.role=candidate evaluate.scope=minibatch",
            '  trial GEPA trial.kind=candidate trial.label=iteration 6 trial.parameter.components=(\'right\',) trial.parameter.iteration=6 trial.parameter.minibatch=(1, 5) trial.parameter.parents=(1,) trial.reason=New subsample score 1.0 not better than old score 1.0 trial.scope=minibatch trial.score=0.5 trial.score.unit=ratio trial.scores=[{"on":"minibatch","id":1,"before":[1.0],"score":0.0},{"on":"minibatch","id":5,"before":[0.0],"score":1.0}] trial.state=rejected',
            "    phase evaluate_parent",
            "      evaluate graded evaluate.role=parent evaluate.scope=minibatch",
            "    phase reflect",
            "    phase propose",
            "    phase evaluate_candidate",
            "      evaluate graded evaluate.role=candidate evaluate.scope=minibatch",
        ]
    )


def test_a_minibatch_that_has_an_example_twice() -> None:
    """Six examples in minibatches of four: each evaluation is recorded, and the score is that which gepa decides by."""
    with recording() as recorder:
        optimize(reflection_minibatch_size=4)
    twice = [trial for trial in trials(recorder) if len(set(trial.get("parameter.minibatch", ()))) == 2]
    assert len(twice) == 2
    rejected = twice[1]
    rows = [row for row in rejected["scores"] if row["on"] == "minibatch"]
    assert [row["id"] for row in rows] == list(rejected["parameter.minibatch"])
    assert (rejected["state"], rejected["score"]) == ("rejected", fmean(row["score"] for row in rows))
    evaluations = [
        span for span in recorder.named("evaluate") if attributes(span)["dspy.trial.index"] == rejected["index"]
    ]
    assert [attributes(span)["dspy.evaluate.num_examples"] for span in evaluations] == [4, 4]


def test_calls_of_the_reflection_model_are_in_the_propose_phase() -> None:
    """They are nowhere else, and count in the trial that they were made for."""
    with recording() as recorder:
        optimize()
    lines = recorder.tree("compile", "phase.name")
    asked = [index for index, line in enumerate(lines) if "chat reflecting" in line]
    assert len(asked) == 4
    for index in asked:
        above = next(line for line in reversed(lines[:index]) if line.lstrip().startswith("phase"))
        assert above.strip() == "phase propose phase.name=propose"


def test_numbers_are_those_of_the_detailed_results() -> None:
    """Scores, parents, budget, Pareto front, texts and programs are exactly what GEPA returns with `track_stats`."""
    with recording(capture_programs=True) as recorder:
        best = optimize()
    recorded = trials(recorder)
    results = best.detailed_results
    pool = [trial for trial in recorded if "parameter.candidate" in trial]
    assert [trial["parameter.candidate"] for trial in pool] == list(range(len(results.candidates)))
    assert [trial["score"] for trial in pool] == results.val_aggregate_scores
    assert [list(trial.get("parameter.parents", [None])) for trial in pool] == results.parents
    assert [validation(trial) for trial in pool] == results.val_subscores
    assert [trial["measure.metric_calls"] - len(VALSET) for trial in pool] == results.discovery_eval_counts
    assert recorded[-1]["measure.metric_calls"] == results.total_metric_calls
    assert front(pool[-1]) == results.per_val_instance_best_candidates
    assert pool[-1]["measure.pareto_score"] == fmean(results.highest_score_achieved_per_val_task.values())
    assert [trial["dspy.program.id"] for trial in pool] == [snapshot_of(program).id for program in results.candidates]
    texts = results.to_dict()["candidates"]
    for trial in pool[1:]:
        mine, parents = texts[trial["parameter.candidate"]], trial["parameter.parents"]
        assert trial["candidate"] == {
            name: {"before": {str(parent): texts[parent][name] for parent in parents}, "after": mine[name]}
            for name in trial["parameter.components"]
        }
        assert list(trial["dspy.program.parent.ids"]) == [pool[parent]["dspy.program.id"] for parent in parents]
    (compiled,) = recorder.named("compile")
    summary = attributes(compiled)
    assert summary["dspy.compile.initial_score"] == results.val_aggregate_scores[0]
    assert summary["dspy.compile.best_score"] == results.val_aggregate_scores[results.best_idx]
    best_index: int = summary["dspy.compile.best_trial.index"]
    best_trial = recorded[best_index]
    assert best_trial["parameter.candidate"] == results.best_idx
    assert summary["dspy.program.id"] == best_trial["dspy.program.id"] == snapshot_of(best).id


def test_the_pareto_front_over_time() -> None:
    """Each candidate that enters the pool records the front at that time, and its members."""
    with recording() as recorder:
        optimize()
    fronts = {trial["label"]: front(trial) for trial in trials(recorder) if "pareto.front" in trial}
    assert fronts == snapshot(
        {
            "seed": {0: {0}, 1: {0}, 2: {0}, 3: {0}, 4: {0}, 5: {0}},
            "iteration 1": {0: {0}, 1: {1}, 2: {1}, 3: {0, 1}, 4: {0, 1}, 5: {0, 1}},
            "iteration 3": {0: {0, 2}, 1: {1}, 2: {1}, 3: {0, 1}, 4: {2}, 5: {2}},
            "iteration 4": {0: {0, 2}, 1: {1, 3}, 2: {1, 3}, 3: {0, 1}, 4: {2, 3}, 5: {2, 3}},
        }
    )


def _stop(_: object) -> bool:
    return True


def _left(_: object) -> str:
    return "left"


def test_calls_of_a_component_selector_belong_to_the_iteration() -> None:
    """LM calls that gepa's strategies make by themselves count in the trial of their iteration."""
    judge = in_process_lm(_left, model="openai/choosing")

    def choosing(*_: object) -> list[str]:
        judge("which?")
        return ["left"]

    with recording() as recorder:
        optimize(component_selector=choosing, max_metric_calls=20)
    names = {span_id(span): span.name for span in recorder.spans}
    chosen = recorder.named("chat choosing")
    assert chosen
    assert {names[parent_id(span)] for span in chosen} == {"trial GEPA"}


def test_setup_records_the_arguments_of_gepa() -> None:
    """Constructor, budget that `auto` came to, and gepa's own defaults; nothing of keys, headers or tracking accounts."""
    key = "wandb-planted-secret-0123456789"
    with recording(capture_datasets=True) as recorder:
        optimize(
            auto="light", max_metric_calls=None, wandb_api_key=key, wandb_init_kwargs={"api_key": key},
            gepa_kwargs={"stop_callbacks": _stop},
        )  # fmt: skip
    (setup,) = recorder.named("setup")
    assert {name.removeprefix("dspy."): value for name, value in sorted(attributes(setup).items())} == snapshot(
        {
            "compile.id": "c1",
            "forecast.lm_calls.high": 1742,
            "forecast.lm_calls.low": 12,
            "forecast.role.reflection.lm_calls.high": 190,
            "forecast.role.reflection.lm_calls.low": 0,
            "forecast.role.task.lm_calls.high": 1552,
            "forecast.role.task.lm_calls.low": 12,
            "lm.model": "openai/scripted",
            "lm.parameter.cache": False,
            "lm.parameter.model_type": "chat",
            "lm.parameter.num_retries": 0,
            "metric.name": "graded",
            "operation.name": "setup",
            "optimizer.name": "GEPA",
            "optimizer.parameter.acceptance_criterion": "strict_improvement",
            "optimizer.parameter.add_format_failure_as_feedback": False,
            "optimizer.parameter.auto": "light",
            "optimizer.parameter.batch_sampler": "epoch_shuffled",
            "optimizer.parameter.cache_evaluation": False,
            "optimizer.parameter.candidate_selection_strategy": "pareto",
            "optimizer.parameter.component_selector": "round_robin",
            "optimizer.parameter.components": ("left", "right"),
            "optimizer.parameter.failure_score": 0.0,
            "optimizer.parameter.frontier_type": "instance",
            "optimizer.parameter.gepa_kwargs.stop_callbacks": "_stop",
            "optimizer.parameter.max_merge_invocations": 5,
            "optimizer.parameter.max_metric_calls": 766,
            "optimizer.parameter.merge_val_overlap_floor": 5,
            "optimizer.parameter.metric": "graded",
            "optimizer.parameter.num_threads": 1,
            "optimizer.parameter.perfect_score": 1.0,
            "optimizer.parameter.raise_on_exception": True,
            "optimizer.parameter.reflection_lm": "openai/reflecting",
            "optimizer.parameter.reflection_minibatch_size": 2,
            "optimizer.parameter.seed": 5,
            "optimizer.parameter.skip_perfect_score": True,
            "optimizer.parameter.track_best_outputs": False,
            "optimizer.parameter.track_stats": True,
            "optimizer.parameter.use_cloudpickle": False,
            "optimizer.parameter.use_merge": True,
            "optimizer.parameter.use_mlflow": False,
            "optimizer.parameter.use_wandb": False,
            "optimizer.parameter.val_evaluation_policy": "full_eval",
            "optimizer.parameter.warn_on_score_mismatch": True,
            "program.id": "344cfc27365a4ca7",
            "program.name": "Pair",
        }
    )
    assert key not in str([(span.name, span.attributes, span.status.description) for span in recorder.spans])
    assert sorted(attributes(span)["dspy.dataset.name"] for span in recorder.named("dataset")) == [
        "trainset", "valset",
    ]  # fmt: skip
