from __future__ import annotations

import json

import pytest

from otel_dspy.reporting.report import Report
from otel_dspy.reporting.sections.cost import cost
from otel_dspy.reporting.sections.role_models import role_models
from otel_dspy.reporting.trials.trial_row import ModelUse
from tests.unit.reporting.optimizations import LABELS, optimization, trial

TASK, PROMPT, JUDGE = ModelUse(100, 9000, 0.1), ModelUse(10, 2000, 0.2), ModelUse(40, 800, 0.01)


@pytest.mark.parametrize(
    ("by_role", "by_model", "expected"),
    [
        ({"task": TASK}, {"small": TASK}, {"task": ("small",)}),
        ({"task": TASK, "prompt": PROMPT}, {"small": TASK.plus(PROMPT)}, {"task": ("small",), "prompt": ("small",)}),
        (
            {"task": TASK, "prompt": PROMPT},
            {"small": TASK, "large": PROMPT},
            {"task": ("small",), "prompt": ("large",)},
        ),
        (
            {"task": TASK, "prompt": PROMPT, "judge": JUDGE},
            {"small": TASK.plus(JUDGE), "large": PROMPT},
            {"task": ("small",), "prompt": ("large",), "judge": ("small",)},
        ),
        (
            {"task": TASK.plus(JUDGE), "prompt": PROMPT},
            {"embedder": JUDGE, "large": PROMPT, "small": TASK},
            {"task": ("embedder", "small"), "prompt": ("large",)},
        ),
        # A model of several roles, one of which called a second model: the counts do not determine it.
        (
            {"task": TASK.plus(PROMPT), "judge": JUDGE.plus(PROMPT)},
            {"a": TASK.plus(JUDGE), "b": PROMPT.plus(PROMPT)},
            {},
        ),
        # Equal counts: either way round.
        ({"task": TASK, "prompt": TASK}, {"a": TASK, "b": TASK}, {}),
        # Calls are missing from one of the two.
        ({"task": TASK, "prompt": PROMPT}, {"a": TASK, "b": JUDGE}, {}),
        ({"task": TASK}, {}, {}),
        ({}, {"a": TASK, "b": JUDGE}, {}),
    ],
)
def test_models_of_the_roles(
    by_role: dict[str, ModelUse], by_model: dict[str, ModelUse], expected: dict[str, tuple[str, ...]]
) -> None:
    """One model for each role, or several of a role alone; nothing if the counts allow two assignments or none."""
    assert role_models(by_role, by_model) == expected


def test_the_cost_section_has_models_and_the_reason_of_an_unknown_price() -> None:
    """A column beside the roles, and one line for each model without a price; the same as data."""
    found = optimization(
        trial(0, "01"),
        labels=LABELS[:2],
        usage=ModelUse(110, 11_000, 0.2, 100),
        usage_by_role={"prompt": PROMPT, "task": ModelUse(100, 9000, None, 100)},
        usage_by_model={"large": PROMPT, "ollama/small": ModelUse(100, 9000, None, 100)},
    )
    spent = cost(found)
    assert [(part.name, part.models) for part in spent.roles] == [("task", ("ollama/small",)), ("prompt", ("large",))]
    assert [part.models for part in spent.models] == [(), ()]
    assert spent.unpriced == ("ollama/small",)
    report = Report(found)
    assert '<th scope="row">task model</th><td>ollama/small</td><td class="num">100</td>' in report.html
    assert '<th scope="row">large</th><td class="num">10</td>' in report.html
    assert (
        "<p>No price is known for ollama/small: register one with litellm.register_model, or pass "
        "input_cost_per_token and output_cost_per_token to dspy.LM.</p>"
    ) in report.html
    data = json.loads(report.json)
    assert data["usage_by_role"]["task"]["models"] == ["ollama/small"]
    assert data["usage_by_model"]["ollama/small"] == {
        "calls": 100, "tokens": 9000, "cost": None, "unpriced_calls": 100,
    }  # fmt: skip
    assert data["unpriced_models"] == ["ollama/small"]


def test_without_models_there_is_no_column() -> None:
    """A record without usage by model, and one whose models all have a price."""
    found = optimization(trial(0, "01"), labels=LABELS[:2], usage_by_role={"task": TASK})
    assert '<th scope="row">task model</th><td class="num">100</td>' in Report(found).html
    assert "No price is known" not in Report(found).html
    assert cost(optimization(usage_by_model={"cached": ModelUse(3, 0, None)})).unpriced == ()
