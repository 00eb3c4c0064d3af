"""The examples of docs/forecast.md."""

from __future__ import annotations

from typing import Any

import dspy

from otel_dspy import forecast
from tests.docs.code_blocks import ROOT, blocks, covered_blocks
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.span_recorder import recording


def test_the_output_of_the_example() -> None:
    """What the page shows is what the call prints."""
    (shown,) = [block.text for block in blocks(ROOT / "docs" / "forecast.md") if block.language == "text"]
    optimizer: Any = dspy.COPRO(metric=exact, breadth=5, depth=2)
    assert str(forecast(optimizer, dspy.ChainOfThought("question -> answer"), examples(20))) == shown.strip()


def test_the_example_with_measured_calls(capsys: Any) -> None:
    """The second block prints a forecast with tokens."""
    (block,) = covered_blocks("test_the_example_with_measured_calls")
    optimizer: Any = dspy.COPRO(metric=exact, breadth=2, depth=1)
    names = {
        "dspy": dspy,
        "forecast": forecast,
        "optimizer": optimizer,
        "sums": examples(3),
    }
    text = block.text
    for line in (
        'otel_dspy.mlflow.autolog(tracking_uri="sqlite:///mlflow.db")\n',
        'dspy.configure(lm=dspy.LM("openai/gpt-4o-mini"))\n',
    ):
        assert line in text
        text = text.replace(line, "")
    with recording(), dspy.context(lm=addition_lm()):
        exec(text, names)  # noqa: S102 - the page's own block
    assert "Tokens, cost and time are based on 3 measured examples." in capsys.readouterr().out
