"""gepa's default adapter and a candidate of two components, of which it sends the first."""

from __future__ import annotations

from tests.support.gepa_texts import optimize_texts, reflecting
from tests.support.gepa_trials import trials
from tests.support.span_recorder import recording


def _second(*_: object) -> list[str]:
    """A component selector that always selects the second component."""
    return ["format"]


def test_proposals_for_the_unsent_component_are_trials() -> None:
    """Each proposal names its component; one for the second component, which would answer all, changes no score."""
    with recording(capture_content=True) as recorder:
        optimize_texts(
            seed_candidate={"system": "Knows 0.", "format": "Nothing."},
            reflection_lm=reflecting(["Knows 0 1 2."]),
            module_selector=_second,
            max_metric_calls=24,
        )
    proposed = [trial for trial in trials(recorder) if "candidate" in trial]
    assert proposed
    assert {trial["parameter.components"] for trial in proposed} == {("format",)}
    assert {trial["candidate"]["format"]["after"] for trial in proposed} == {"Knows 0 1 2."}
    assert {trial["state"] for trial in proposed} == {"rejected"}
