"""Attributes of the metrics of a call's usage."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from otel_dspy.hooks.lm.usage_totals import usage_labels


@pytest.mark.parametrize(
    ("model", "optimizer", "expected"),
    [
        (None, None, {}),
        ("gpt-4o", None, {"gen_ai.request.model": "gpt-4o"}),
        ("gpt-4o", "GEPA", {"gen_ai.request.model": "gpt-4o", "dspy.optimizer.name": "GEPA"}),
    ],
)
def test_labels_of_a_call(model: str | None, optimizer: str | None, expected: dict[str, str]) -> None:
    """The same object for every call of a compile, so that a metric finds its aggregation by identity."""

    def compiling() -> Any:
        return None if optimizer is None else SimpleNamespace(optimizer_name=optimizer)

    labels = usage_labels(model, compiling())
    assert labels == expected
    assert usage_labels(model, compiling()) is labels
