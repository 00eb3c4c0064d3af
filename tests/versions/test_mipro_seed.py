"""The seed of MIPROv2's search, as it is recorded."""

from __future__ import annotations

import random
from typing import Any

import dspy
import pytest

from tests.support.span_recorder import recording
from tests.versions.scenario import Sums, exact, examples, served


@pytest.mark.parametrize("seed", [None, 0, 3])
def test_mipro_seed_is_the_one_that_the_search_ran_with(seed: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """`compile(seed=0)` runs with the constructor's seed in DSPy (`seed or self.seed`)."""
    ran: list[object] = []

    class Random(random.Random):  # noqa: S311 - stands in for the generator of the search
        def __init__(self, value: Any = None) -> None:
            ran.append(value)
            super().__init__(value)

    given = {} if seed is None else {"seed": seed}
    with served() as (_, lm), dspy.context(lm=lm), recording() as recorder:
        optimizer: Any = dspy.MIPROv2(
            exact, auto=None, num_candidates=1, max_bootstrapped_demos=0, max_labeled_demos=0, num_threads=1
        )
        with monkeypatch.context() as patched:
            patched.setattr("dspy.teleprompt.mipro_optimizer_v2.random.Random", Random)
            optimizer.compile(
                Sums(), trainset=examples(2), valset=examples(2), num_trials=1, minibatch=False,
                requires_permission_to_run=False, **given,
            )  # fmt: skip
    (setup,) = recorder.attributes_of("setup MIPROv2")
    (compiled,) = recorder.attributes_of("compile MIPROv2")
    assert setup["optimizer.parameter.seed"] == compiled["optimizer.parameter.seed"] == ran[0]
