from __future__ import annotations

import json

from otel_dspy.reporting.compile_result import CallUse, Phase
from otel_dspy.reporting.html.timeline_chart import timeline_chart
from otel_dspy.reporting.report import Report
from otel_dspy.reporting.runs.summary_rows import call_forecast
from otel_dspy.reporting.sections.cost import cost
from otel_dspy.reporting.sections.forecast import ForecastLine, forecast
from otel_dspy.reporting.sections.production import CallCost, Production, production
from otel_dspy.reporting.sections.timeline import timeline
from otel_dspy.reporting.trials.trial_row import ModelUse
from tests.unit.reporting.optimizations import LABELS, optimization, trial


def test_the_timeline() -> None:
    """Trials that overlap count once; phases of a name are one track; the rest of the time is outside of trials."""
    found = optimization(
        trial(0, "01", started=10.0, seconds=10.0),
        trial(1, "11", started=15.0, seconds=10.0),
        trial(2, "10", started=60.0, seconds=15.0),
        best=1,
        labels=LABELS[:2],
        phases=(Phase("propose", 0.0, 9.0), Phase("reflect", 26.0, 4.0), Phase("reflect", 50.0, 6.0)),
    )
    result = timeline(found)
    assert result is not None
    assert [(track.name, len(track.bars), track.seconds) for track in result.tracks] == [
        ("trials", 3, 30.0), ("propose", 1, 9.0), ("reflect", 2, 10.0),
    ]  # fmt: skip
    assert (result.duration, result.outside, result.longest) == (75.0, 45.0, 2)
    assert result.phases_outside == (("reflect", 10.0), ("propose", 9.0))
    html = Report(found).html
    assert "no trial ran in 45.0 s of it (phases then: reflect 10.0 s, propose 9.0 s). Trial 2" in html
    assert "Times are those of the spans. The duration of a run in MLflow may be shorter" in html
    assert '<th scope="row">no trial</th><td class="num">-</td><td>-</td><td>45.0 s</td>' in html
    chart = timeline_chart(result)
    assert [(track.path.count("M"), track.winner.count("M")) for track in chart.tracks] == [(2, 1), (1, 0), (2, 0)]
    assert chart.tracks[0].winner == "M264.0 20h88.8"
    assert [label for _, label in chart.ticks] == ["0.0 s", "18.8 s", "37.5 s", "56.2 s", "1 min 15 s"]
    assert timeline(optimization(trial(0, "01"), labels=LABELS[:2])) is None


def test_phases_within_trials_are_not_outside_of_them() -> None:
    """GEPA reflects within its trials: the time between them belongs to no phase."""
    found = optimization(
        trial(0, "01", started=0.0, seconds=40.0),
        trial(1, "11", started=45.0, seconds=30.0),
        labels=LABELS[:2],
        phases=(Phase("reflect", 50.0, 5.0),),
    )
    result = timeline(found)
    assert result is not None
    assert (result.outside, result.phases_outside) == (5.0, ())
    assert "no trial ran in 5.0 s of it. Trial 0" in Report(found).html


def test_a_timeline_of_a_second() -> None:
    """The tenths that are shown add up, and the ticks have enough decimal places to differ."""
    found = optimization(
        trial(0, "01", started=0.26, seconds=0.76),
        labels=LABELS[:2],
        duration=1.03,
        phases=(Phase("propose", 0.0, 0.2),),
    )
    result = timeline(found)
    assert result is not None
    assert (
        "Trials ran for 0.8 s of 1.0 s; no trial ran in 0.2 s of it (phases then: propose 0.2 s)." in Report(found).html
    )
    assert [label for _, label in timeline_chart(result).ticks] == ["0.00 s", "0.26 s", "0.52 s", "0.77 s", "1.03 s"]


def test_usage_outside_of_trials() -> None:
    """By role, and only the roles that were used there; in all where the trials' usage by role is not recorded."""
    inside = {"task": ModelUse(8, 900), "reflection": ModelUse(2, 200)}
    trials = [trial(index, "01", roles=inside) for index in range(2)]
    within = optimization(*trials, usage=ModelUse(20, 2200), usage_by_role={"task": ModelUse(16, 1800)})
    assert cost(within).outside_text == "all of it in trials"
    by_role = {"task": ModelUse(17, 1900), "reflection": ModelUse(4, 400), "prompt": ModelUse(6, 3000)}
    beside = optimization(*trials, usage=ModelUse(27, 5300), usage_by_role=by_role)
    assert cost(beside).outside_text == "outside of trials: 3,100 tokens (prompt model 3,000, task model 100)"
    assert "; outside of trials: 3,100 tokens (prompt model 3,000, task model 100)." in Report(beside).html
    assert json.loads(Report(beside).json)["usage_outside_trials"]["tokens"] == 3100
    unknown = optimization(trial(0, "01"), usage=ModelUse(27, 5300), usage_by_role=by_role)
    assert cost(unknown).outside_text == "outside of trials: 4,200 tokens"
    assert cost(optimization(usage=ModelUse(observed=False))).outside_text == ""


def test_production() -> None:
    """Tokens of a call times calls of a program call; answers from the cache have no tokens and do not count."""
    found = optimization(
        trial(0, "0000", task=CallUse(8, 0, 800, 80, 0.08)),
        trial(1, "1111", task=CallUse(8, 4, 1200, 40, 0.12)),
        best=1,
        labels=LABELS[:4],
    )
    assert production(found) == Production(CallCost(0, 200_000, 20_000, 20.0), CallCost(1, 600_000, 20_000, 60.0))
    html = Report(found).html
    assert "1,000 calls of the program in production" in html
    assert '<td class="num">600,000</td>' in html


def test_production_of_which_little_is_known() -> None:
    """A price that is not known, a winner that is the start, and one whose calls were all cached or not recorded."""
    unpriced = optimization(trial(0, "01", task=CallUse(2, 0, 20, 4, 0.1, unpriced_calls=1)), best=0, labels=LABELS[:2])
    assert production(unpriced) == Production(None, CallCost(0, 10_000, 2_000, None))
    cached = optimization(trial(0, "01", task=CallUse(2, 2, 0, 0)), best=0, labels=LABELS[:2])
    none = optimization(trial(0, "01"), best=0, labels=LABELS[:2])
    assert [production(found) for found in (cached, none, optimization())] == [None, None, None]


def test_forecast_and_actual() -> None:
    """By role; the calls of the metric are not part of a forecast."""
    found = optimization(
        trial(0, "01"),
        labels=LABELS[:2],
        usage=ModelUse(35, 0),
        usage_by_role={"task": ModelUse(20, 0), "prompt": ModelUse(10, 0), "judge": ModelUse(5, 0)},
        forecast=call_forecast(
            {
                "forecast.lm_calls.low": "28", "forecast.lm_calls.high": "32", "forecast.role.task.lm_calls.low": "22",
                "forecast.role.prompt.lm_calls.low": "6", "forecast.role.prompt.lm_calls.high": "8", "lm.n": "35",
            }
        ),
    )  # fmt: skip
    lines = forecast(found)
    assert lines == (
        ForecastLine(None, 28, 32, 30),
        ForecastLine("prompt", 6, 8, 10),
        ForecastLine("task", 22, None, 20),
    )
    assert [line.deviation for line in lines] == [0, 2, -2]
    html = Report(found).html
    assert '<td class="num">28 to 32</td><td class="num">30</td><td>as forecast</td>' in html
    assert '<td class="num">22 or more</td><td class="num">20</td><td>2 fewer than 22</td>' in html
    assert '<td class="num">6 to 8</td><td class="num">10</td><td>2 more than 8</td>' in html
    assert forecast(optimization(trial(0, "01"), labels=LABELS[:2])) == ()
