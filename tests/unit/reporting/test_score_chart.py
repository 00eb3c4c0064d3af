from __future__ import annotations

from otel_dspy.reporting.html.score_chart import score_charts
from otel_dspy.reporting.sections.score_history import score_history
from tests.unit.reporting.optimizations import LABELS, optimization, trial


def test_each_axis_has_the_same_scores() -> None:
    """At other places: trials are equally far apart, the rest is to scale; time needs the start of every trial."""
    found = optimization(
        trial(0, "0000", started=0.0, seconds=10.0),
        trial(1, "11..", started=10.0, seconds=30.0, input_tokens=3_000),
        trial(2, "1100", started=15.0, seconds=5.0),
        best=2,
        labels=LABELS[:4],
    )
    charts = score_charts(score_history(found), 0.0, "percent")
    assert [chart.axis for chart in charts] == ["trial", "examples scored", "tokens of the trials", "time"]
    assert [[round(dot.x) for dot in chart.dots] for chart in charts] == [
        [70, 430, 790], [358, 502, 790], [219, 641, 790], [250, 790, 430],
    ]  # fmt: skip
    assert {tuple(dot.y for dot in chart.dots) for chart in charts} == {(236.0, 18.0, 127.0)}
    assert [label.text for label in charts[0].labels] == ["0", "1", "2"]
    assert [label.text for label in charts[3].labels] == ["0.0 s", "10.0 s", "20.0 s", "30.0 s", "40.0 s"]
    assert charts[3].best == "M250.0 236.0H430.0V127.0H790.0V127.0"


def test_axes_without_values_are_absent() -> None:
    """No start of a trial is recorded, and no tokens: two axes are left; without a score there is no chart."""
    found = optimization(trial(0, "01", input_tokens=0, output_tokens=0), labels=LABELS[:2])
    assert [chart.name for chart in score_charts(score_history(found), None, "percent")] == ["trial", "examples"]
    assert score_charts(score_history(optimization(trial(0, ""))), None, "percent") == ()
