"""gepa with an evaluation policy of the user's own: the best trial is the candidate that the result names."""

from __future__ import annotations

from typing import Any

from tests.support.gepa_texts import VALSET, optimize_texts
from tests.support.gepa_trials import trials
from tests.support.span_recorder import recording


class WholeSetFirst:
    """Evaluates a proposal on one example; trusts a mean over all of them more."""

    def get_eval_batch(self, loader: Any, state: Any, target_program_idx: int | None = None) -> list[Any]:
        """The examples to evaluate."""
        del state, target_program_idx
        return list(loader.all_ids())[1:2]  # the first one that a proposal knows

    def get_best_program(self, state: Any) -> int:
        """The candidate with most examples, then with the best mean."""
        scores = state.prog_candidate_val_subscores
        return max(range(len(scores)), key=lambda number: (len(scores[number]), self.get_valset_score(number, state)))

    def get_valset_score(self, program_idx: int, state: Any) -> float:
        """The mean."""
        return state.get_program_average_val_subset(program_idx)[0]


class Best:
    """The callback that has the policy's best candidate."""

    index: int | None = None

    def on_optimization_end(self, event: Any) -> None:
        """Note it."""
        self.index = event["best_candidate_idx"]


def test_the_best_trial_is_the_results_best_candidate() -> None:
    """Where the policy has found another one best, which the result does not name."""
    best = Best()
    with recording() as recorder:
        result = optimize_texts(val_evaluation_policy=WholeSetFirst(), callbacks=[best])
    assert [len(scores) for scores in result.val_subscores[:2]] == [len(VALSET), 1]
    assert (best.index, result.best_idx) == (0, 1)
    (compiled,) = recorder.attributes_of("compile")
    found = trials(recorder)[int(compiled["compile.best_trial.index"])]
    assert (found["parameter.candidate"], found["score"]) == (result.best_idx, 1.0)
