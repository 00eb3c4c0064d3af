"""An optimization tracked by `autolog`, on a real server and on a local store."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dspy
import pytest

import otel_dspy.mlflow
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path


SERVER_IS_SLOW = pytest.mark.parametrize(
    "tracking_uri", [pytest.param("server", marks=pytest.mark.slow), "local"], indirect=True
)
"""For an optimization of which `test_server_and_local_store_hold_the_same` proves that both stores hold the same."""


@pytest.fixture(params=["server", "local"])
def tracking_uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A tracking server, then a local sqlite store without one."""
    if request.param == "server":
        return request.getfixturevalue("server_uri")
    return blank_store(tmp_path)


@contextmanager
def tracked(tracking_uri: str | None = None, experiment: str | None = None, **flags: Any) -> Generator[None]:
    """Track while the block runs, to MLflow's current destination by default; everything is there when the block has ended."""
    otel_dspy.mlflow.autolog(tracking_uri=tracking_uri, experiment=experiment, **flags)
    try:
        yield
    finally:
        otel_dspy.mlflow.autolog(disable=True)


def optimize(program: Callable[[], dspy.Module] = lambda: dspy.ChainOfThought("question -> answer")) -> Any:
    """A small MIPROv2 run: baseline, three minibatch trials, two full evaluations."""
    with dspy.context(lm=addition_lm()):
        optimizer = dspy.MIPROv2(
            exact, auto=None, num_candidates=2, num_threads=2, max_bootstrapped_demos=1, max_labeled_demos=1
        )
        return optimizer.compile(
            program(),
            trainset=examples(4),
            valset=examples(6),
            num_trials=3,
            minibatch_size=2,
            minibatch_full_eval_steps=2,
        )
