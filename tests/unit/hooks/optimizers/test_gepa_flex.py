"""GEPA that rewrites the code of a `dspy.Flex`."""

from __future__ import annotations

import itertools
from typing import Any

import dspy
from inline_snapshot import snapshot

from tests.dspy_answers import dspy_script
from tests.gepa_task import optimise
from tests.gepa_trials import attributes, trials, validation
from tests.in_process_lm import in_process_lm
from tests.span_recorder import recording

_SOURCE = """
class Answers(dspy.Module):
    def forward(self, question):
        return dspy.Prediction(answer=question[1:] if question[1:] in '{digits}' else 'no idea')
"""


class Coded(dspy.Module):
    """A program that is source code."""

    def __init__(self) -> None:
        super().__init__()
        self.flex = dspy.Flex("question -> answer", interpreter_factory=dspy.LocalInterpreter)
        self.flex.load_state({"module_src": _SOURCE.format(digits="0")})

    def forward(self, question: str) -> Any:
        """The answer."""
        return self.flex(question=question)


def test_a_flex_program_has_gepa_s_own_scores() -> None:
    """Evaluate, which GEPA gives no metric then, has no score to tell; code that can't be parsed is a rejected trial."""
    proposals = itertools.cycle(["class Broken(", _SOURCE.format(digits="12")])
    writer = in_process_lm(dspy_script({"revised_source": lambda _: next(proposals)}), model="openai/reflecting")
    with recording(capture_programs=True) as recorder:
        best = optimise(Coded(), reflection_lm=writer, max_metric_calls=24)
    results = best.detailed_results
    told = trials(recorder)
    pool = [trial for trial in told if "parameter.candidate" in trial]
    assert [trial["score"] for trial in pool] == results.val_aggregate_scores
    assert [validation(trial) for trial in pool] == results.val_subscores
    shown = ("label", "state", "score", "parameter.components", "reason")
    assert [tuple(trial.get(name) for name in shown) for trial in told] == snapshot(
        [
            ("seed", "complete", 0.3333333333333333, None, None),
            ("iteration 1", "rejected", 0.0, ("flex",), "New subsample score 0.0 not better than old score 0.0"),
            ("iteration 2", "pruned", None, None, "all_scores_perfect"),
            ("iteration 3", "complete", 0.6666666666666666, ("flex",), None),
            ("iteration 4", "rejected", 0.0, ("flex",), "New subsample score 0.0 not better than old score 1.0"),
        ]
    )
    broken = next(trial for trial in told if trial["state"] == "rejected")
    assert broken["candidate"]["flex"]["after"].startswith("class Broken(")
    for span in [*recorder.named("evaluate"), *recorder.named("example")]:
        assert not {"dspy.evaluate.score", "dspy.example.score"} & set(attributes(span))
