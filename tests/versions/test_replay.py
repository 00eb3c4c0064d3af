from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy

import otel_dspy
from tests.support.recorded_calls import written_calls
from tests.support.span_recorder import recording
from tests.versions.scenario import Sums, exact, examples, served

if TYPE_CHECKING:
    from pathlib import Path


def test_a_program_runs_again_from_its_record(tmp_path: Path) -> None:
    """The same score and answers without a request, whatever DSPy wants of a model."""
    several: Any = dspy.Predict("question -> answer", n=2, temperature=0.5)

    def run(lm: Any) -> list[Any]:
        with dspy.context(lm=lm):
            scored: Any = dspy.Evaluate(devset=examples(4), metric=exact, num_threads=2)(Sums())
            return [getattr(scored, "score", scored), several(question="5+1").completions.answer]

    with served() as (server, lm):
        with recording(capture_content=True) as recorder:
            returned = run(lm)
        asked = len(server.requests)
        replayed = otel_dspy.replay_lm(written_calls(recorder, tmp_path), like=lm)
        assert run(replayed) == returned == [50.0, ["6", "6"]]
        assert len(server.requests) == asked
    assert replayed.recordings.unknown == 0
