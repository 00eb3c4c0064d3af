"""Programs of a compile that has ended are garbage, unless DSPy keeps them."""

from __future__ import annotations

import gc
from contextlib import nullcontext
from typing import Any

import dspy
import pytest

from otel_dspy.runtime.deferred_queue import drain_deferred
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording

_ANSWER = "[[ ## answer ## ]]\n4\n\n[[ ## completed ## ]]"
_EXAMPLES = [dspy.Example(question=str(number), answer="4").with_inputs("question") for number in range(4)]


def _score(example: Any, prediction: Any, trace: object = None) -> float:
    del trace
    return float(example.answer == prediction.answer)


def _alive() -> int:
    drain_deferred()
    gc.collect()
    return sum(type(one) is dspy.Predict for one in gc.get_objects())


def _compile() -> None:
    optimizer: Any = dspy.BootstrapFewShotWithRandomSearch(metric=_score, num_candidate_programs=3, num_threads=1)
    optimizer.compile(dspy.Predict("question -> answer"), trainset=_EXAMPLES)


@pytest.mark.usefixtures("only_own_garbage")
@pytest.mark.parametrize("kept_by_dspy", [0, 10_000])
@pytest.mark.parametrize("recorded", [None, "SPAN_ONLY", "SPAN_AND_EVENT"])
def test_recording_keeps_no_program(monkeypatch: pytest.MonkeyPatch, kept_by_dspy: int, recorded: str | None) -> None:
    """DSPy's list of calls does, with or without otel-dspy; spans and log events that wait for export do not."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", recorded or "SPAN_ONLY")
    settings: dict[str, Any] = {"trace": [], "max_trace_size": kept_by_dspy, "disable_history": True}
    with dspy.context(lm=in_process_lm(lambda _messages: _ANSWER), **settings):
        before = _alive()
        with recording(capture_content=True) if recorded else nullcontext():
            _compile()
            once = _alive() - before
            _compile()
            twice = _alive() - before
    assert (once > 0) is (kept_by_dspy > 0)
    assert twice == 2 * once
