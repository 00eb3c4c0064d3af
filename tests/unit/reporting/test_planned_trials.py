from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otel_dspy.reporting.planned_trials import planned_trials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.util.types import AttributeValue


@pytest.mark.parametrize(
    ("optimizer", "parameters", "planned"),
    [
        pytest.param("MIPROv2", {"num_trials": 10, "minibatch": False}, 11, id="baseline and ten trials"),
        pytest.param(
            "MIPROv2",
            {"num_trials": 6, "minibatch": True, "minibatch_full_eval_steps": 3},
            9,
            id="a full evaluation after each third",
        ),
        pytest.param(
            "MIPROv2",
            {"num_trials": 7, "minibatch": True, "minibatch_full_eval_steps": 3},
            11,
            id="and one after the last",
        ),
        pytest.param("MIPROv2", {"auto": "light", "minibatch": True}, None, id="not resolved yet"),
        pytest.param("MIPROv2", {"num_trials": 6, "minibatch": True}, None, id="steps not told"),
        pytest.param("BootstrapFewShotWithRandomSearch", {"num_candidate_programs": 3}, 6, id="seeds from -3"),
        pytest.param("BootstrapFewShotWithRandomSearch", {"num_candidate_programs": 0}, 3, id="no random candidate"),
        pytest.param(
            "BootstrapFewShotWithRandomSearch",
            {"num_candidate_programs": 3, "restrict": (-3, -1, 2, 2, 7)},
            3,
            id="seeds that are run, as a span has them",
        ),
        pytest.param(
            "BootstrapFewShotWithRandomSearch",
            {"num_candidate_programs": 1, "restrict": [-3, -2, -1]},
            3,
            id="seeds that are run, as MLflow has them",
        ),
        pytest.param("BootstrapFewShotWithRandomSearch", {}, None, id="random search that does not tell"),
        pytest.param("GEPA", {"max_metric_calls": 40}, None, id="an optimizer without a plan"),
    ],
)
def test_planned_trials(optimizer: str, parameters: Mapping[str, AttributeValue], planned: int | None) -> None:
    """The number of trials follows from the parameters, and is unknown where they do not determine it."""
    assert planned_trials(optimizer, parameters) == planned
