from __future__ import annotations

from typing import Any

import dspy

from tests.behaviour.model import model
from tests.span_recorder import recording

_dspy: Any = dspy


def test_a_redactor_may_ask_a_program() -> None:
    """Its calls are nobody's content: they have no spans, and their texts are not redacted in their turn."""
    asked: list[str] = []

    def redact(name: str, _text: str) -> str:
        asked.append(name)
        assert len(asked) < 100
        with dspy.context(lm=model()):
            return str(_dspy.Predict("question -> answer")(question="1+2").answer)

    with dspy.context(lm=model()), recording(capture_content=True, redact=redact) as recorder:
        _dspy.Predict("question -> answer")(question="3+4")
        spans = [span.name for span in recorder.spans]
    assert len(spans) == 2
