"""GEPA that rewrites the code of a `dspy.Flex`, in MLflow."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from inline_snapshot import snapshot

from tests.support.dspy_answers import dspy_script
from tests.support.flex_program import Coded, source
from tests.support.gepa_task import optimize
from tests.support.in_process_lm import in_process_lm
from tests.support.optimizer_runs import drawn, tracked_tree

if TYPE_CHECKING:
    from pathlib import Path


def test_the_whole_run_tree(tmp_path: Path) -> None:
    """A run for each iteration, with the code in place of instructions; what can't be parsed is a rejected trial."""
    proposals = itertools.cycle(["class Broken(", source("12")])
    writer = in_process_lm(dspy_script({"revised_source": lambda _: next(proposals)}), model="openai/reflecting")
    best, tree = tracked_tree(tmp_path, lambda: optimize(Coded(), reflection_lm=writer, max_metric_calls=24))
    (run,) = tree.runs
    assert list(drawn(run)) == snapshot(
        [
            "GEPA Coded: FINISHED",
            '  params acceptance_criterion=strict_improvement, add_format_failure_as_feedback=False, batch_sampler=epoch_shuffled, cache_evaluation=False, candidate_selection_strategy=pareto, component_selector=round_robin, components=["flex"], failure_score=0.0, frontier_type=instance, lm.cache=False, lm.model=openai/scripted, lm.model_type=chat, lm.num_retries=0, max_merge_invocations=5, max_metric_calls=24, merge_val_overlap_floor=5, metric=graded, num_threads=1, perfect_score=1.0, raise_on_exception=True, reflection_lm=openai/reflecting, reflection_minibatch_size=2, seed=5, skip_perfect_score=True, track_best_outputs=False, track_stats=True, use_cloudpickle=False, use_merge=True, use_mlflow=False, use_wandb=False, val_evaluation_policy=full_eval, warn_on_score_mismatch=True',
            "  tags dspy.compile.best_trial.index=3",
            '  metrics score/best={"0": 0.3333333333333333, "1": 0.3333333333333333, "2": 0.3333333333333333, "3": 0.6666666666666666, "4": 0.6666666666666666, "5": 0.6666666666666666}, score/full={"0": 0.3333333333333333, "3": 0.6666666666666666}, score/initial=0.3333333333333333, score/minibatch={"1": 0.0, "4": 0.0}, search/best_candidate={"0": 0.0, "3": 1.0}, search/candidates={"0": 1.0, "3": 2.0}, search/iteration={"0": 0.0, "1": 1.0, "2": 2.0, "3": 3.0, "4": 4.0}, search/metric_calls={"0": 6.0, "1": 10.0, "2": 12.0, "3": 22.0, "4": 26.0}, search/metric_calls_left={"1": 14.0, "2": 12.0, "3": 2.0, "4": 0.0}, search/minibatch_after={"1": 0.0, "3": 1.0, "4": 0.0}, search/minibatch_before={"1": 0.0, "2": 1.0, "3": 0.0, "4": 0.5}, search/pareto_score={"0": 0.3333333333333333, "3": 1.0}, search/pareto_size={"0": 1.0, "3": 2.0}, search/validation_count={"0": 6.0, "3": 6.0}, search/validation_size={"0": 6.0, "3": 6.0}, usage/lm_calls={"0": 0.0, "1": 1.0, "2": 1.0, "3": 2.0, "4": 3.0, "5": 3.0}',
            "  artifacts best_model.json, initial_model.json, optimization_summary.json, trainset.json, valset.json",
            "  1 traces",
            "    trial 0: start, candidate 0: FINISHED",
            "      params candidate=0, iteration=0",
            "      tags dspy.trial.index=0, dspy.trial.is_best=false, dspy.trial.kind=baseline, dspy.trial.label=seed, dspy.trial.scope=full, dspy.trial.score.unit=ratio, dspy.trial.state=complete",
            "      metrics score/full=0.3333333333333333, score/num_examples=6.0, search/best_candidate=0.0, search/candidates=1.0, search/iteration=0.0, search/metric_calls=6.0, search/pareto_score=0.3333333333333333, search/pareto_size=1.0, search/validation_count=6.0, search/validation_size=6.0, usage/lm_calls=0.0",
            "      artifacts changes.md, model.json, pareto_front.json, result_table.json, scores.json",
            "      6 traces",
            "    trial 1: flex of candidate 0 changed: FINISHED",
            '      params components=["flex"], iteration=1, minibatch=[4, 3], parents=[0]',
            "      tags dspy.trial.index=1, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=iteration 1, dspy.trial.reason=New subsample score 0.0 not better than old score 0.0, dspy.trial.scope=minibatch, dspy.trial.score.unit=ratio, dspy.trial.state=rejected",
            "      metrics score/minibatch=0.0, score/num_examples=2.0, search/iteration=1.0, search/metric_calls=10.0, search/metric_calls_left=14.0, search/minibatch_after=0.0, search/minibatch_before=0.0, usage/lm_calls=1.0",
            "      artifacts candidate.json, result_table_parent.json, scores.json",
            "      2 traces",
            "    trial 2: proposal from candidate 0: FINISHED",
            "      params iteration=2, minibatch=[1, 0], parents=[0]",
            "      tags dspy.trial.index=2, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=iteration 2, dspy.trial.reason=all_scores_perfect, dspy.trial.scope=minibatch, dspy.trial.state=pruned",
            "      metrics search/iteration=2.0, search/metric_calls=12.0, search/metric_calls_left=12.0, search/minibatch_before=1.0, usage/lm_calls=0.0",
            "      artifacts result_table_parent.json, scores.json",
            "      2 traces",
            "    trial 3: candidate 1, flex of candidate 0 changed: FINISHED",
            '      params candidate=1, components=["flex"], iteration=3, minibatch=[5, 2], parents=[0]',
            "      tags dspy.trial.index=3, dspy.trial.is_best=true, dspy.trial.kind=candidate, dspy.trial.label=iteration 3, dspy.trial.scope=full, dspy.trial.score.unit=ratio, dspy.trial.state=complete",
            "      metrics score/full=0.6666666666666666, score/num_examples=6.0, search/best_candidate=1.0, search/candidates=2.0, search/iteration=3.0, search/metric_calls=22.0, search/metric_calls_left=2.0, search/minibatch_after=1.0, search/minibatch_before=0.0, search/pareto_score=1.0, search/pareto_size=2.0, search/validation_count=6.0, search/validation_size=6.0, usage/lm_calls=1.0",
            "      artifacts candidate.json, changes.md, model.json, pareto_front.json, result_table.json, result_table_candidate.json, result_table_parent.json, scores.json",
            "      10 traces",
            "    trial 4: flex of candidate 0 changed: FINISHED",
            '      params components=["flex"], iteration=4, minibatch=[4, 1], parents=[0]',
            "      tags dspy.trial.index=4, dspy.trial.is_best=false, dspy.trial.kind=candidate, dspy.trial.label=iteration 4, dspy.trial.reason=New subsample score 0.0 not better than old score 1.0, dspy.trial.scope=minibatch, dspy.trial.score.unit=ratio, dspy.trial.state=rejected",
            "      metrics score/minibatch=0.0, score/num_examples=2.0, search/iteration=4.0, search/metric_calls=26.0, search/metric_calls_left=0.0, search/minibatch_after=0.0, search/minibatch_before=0.5, usage/lm_calls=1.0",
            "      artifacts candidate.json, result_table_parent.json, scores.json",
            "      2 traces",
        ]
    )
    accepted = run.children[3]
    for model in (run.artifacts["best_model.json"], accepted.artifacts["model.json"]):
        assert model["flex"] == best.dump_state()["flex"]
    assert accepted.artifacts["candidate.json"] == snapshot(
        {
            "flex": {
                "before": {
                    "0": """\

class Answers(dspy.Module):
    def forward(self, question):
        return dspy.Prediction(answer=question[1:] if question[1:] in '0' else 'no idea')
"""
                },
                "after": """\
class Answers(dspy.Module):
    def forward(self, question):
        return dspy.Prediction(answer=question[1:] if question[1:] in '12' else 'no idea')\
""",
            }
        }
    )
    assert accepted.artifacts["changes.md"] == snapshot("""\
# trial 3: candidate 1, flex of candidate 0 changed, 0.667 on 6 examples

Program c008dc537d7cc251

## Changes since the initial program, its parent (b426697eb143f364)

### flex: module_src

```diff
@@ -1,4 +1,3 @@
-
 class Answers(dspy.Module):
     def forward(self, question):
-        return dspy.Prediction(answer=question[1:] if question[1:] in '0' else 'no idea')
+        return dspy.Prediction(answer=question[1:] if question[1:] in '12' else 'no idea')
```

## Its texts

### flex: module_src

```text
class Answers(dspy.Module):
    def forward(self, question):
        return dspy.Prediction(answer=question[1:] if question[1:] in '12' else 'no idea')
```
""")
    assert run.children[1].artifacts["candidate.json"]["flex"]["after"] == "class Broken("
