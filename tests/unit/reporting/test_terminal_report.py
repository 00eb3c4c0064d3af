from __future__ import annotations

import io
import re
from contextlib import redirect_stdout

from inline_snapshot import snapshot
from rich.console import Console

from otel_dspy.reporting.terminal.live_progress import live_progress
from otel_dspy.reporting.terminal.trials_table import trials_table
from otel_dspy.reporting.trials.trial_row import ModelUse, TrialRow
from tests.support.waiting import awaited
from tests.unit.reporting.compile_spans import speaking_to

WIDTH = 80


def row(index: int, score: float | None, **facts: object) -> TrialRow:
    """Make a full-scope trial of 1.5 seconds; `facts` change it."""
    usual: dict[str, object] = {
        "index": index, "label": None, "kind": "candidate", "state": "complete", "scope": "full", "score": score,
        "unit": "percent", "best_score": score, "is_best": False, "parameters": {}, "input_tokens": 1200,
        "output_tokens": 34, "lm_calls": 20, "cost": 0.0, "seconds": 1.5,
    }  # fmt: skip
    return TrialRow(**{**usual, **facts})  # pyright: ignore[reportArgumentType] - a table of facts, by name


def rendered(rows: list[TrialRow]) -> str:
    """Draw the table as a terminal of WIDTH columns shows it, without trailing blanks."""
    out = io.StringIO()
    Console(file=out, width=WIDTH).print(trials_table(rows, title="MIPROv2 on Classify"))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def test_the_table_shows_every_trial_in_order() -> None:
    """Rows are ordered by index; scope, choice, tokens, seconds, a missing score and a failed trial are shown."""
    choice = {"0_predictor_instruction": 1, "0_predictor_demos": 2}
    rows = [
        row(2, 75.0, is_best=True, kind="full_evaluation", parameters=choice, seconds=12.34, cost=0.0125),
        row(0, 50.0, is_best=True, kind="baseline"),
        row(1, None, scope="minibatch", state="fail", parameters=choice),
    ]
    assert rendered(rows) == snapshot("""\
MIPROv2 on Classify

  trial   scope        score   tried                     tokens   seconds
 ─────────────────────────────────────────────────────────────────────────
      0   full        50.0 %   start                      1,234       1.5
      1   minibatch     fail   instruction 1 + demos 2    1,234       1.5
    * 2   full        75.0 %   instruction 1 + demos 2    1,234      12.3

minibatch: some of the examples; only full scores compete.
3 trials: 60 calls, 3,702 tokens, $0.0125\
""")


def test_a_score_on_a_part_that_leads() -> None:
    """GEPA compares such scores with an evaluation policy: the caption does not exclude them."""
    rows = [row(0, 0.5, kind="baseline"), row(1, 0.75, scope="minibatch", is_best=True)]
    assert "\nminibatch: some of the examples.\n" in rendered(rows)


def test_calls_without_a_known_price_are_shown() -> None:
    """Below the table, in all and for each model where there are several."""
    own, hosted = ModelUse(12, 700, None, 12), ModelUse(8, 534, 0.0125)
    rows = [row(index, 50.0, cost=0.0125, unpriced_calls=12, models={"own[1]": own, "gpt": hosted}) for index in (0, 1)]
    # The lines are as wide as the table.
    recorded = " ".join(rendered(rows).split())
    assert recorded.endswith(
        "2 trials: 40 calls, 2,468 tokens, $0.0250 (24 calls not priced) gpt: 16 calls, 1,068 tokens, $0.0250 "
        "own[1]: 24 calls, 1,400 tokens, price unknown"
    )
    alone = row(0, 50.0, cost=None, unpriced_calls=20, models={"own": own})
    assert rendered([alone]).splitlines()[-1] == "1 trial: 20 calls, 1,234 tokens, price unknown"


def test_calls_that_were_not_observed_are_not_shown_as_none() -> None:
    """No trial has tokens, nor have all together; trials with calls are added up."""
    unknown = row(0, 50.0, cost=None, input_tokens=0, output_tokens=0, lm_calls=0, observed=False)
    lines = rendered([unknown]).splitlines()
    assert lines[-1] == "1 trial: model calls were not observed"
    assert " - " in next(line for line in lines if "50.0 %" in line)
    assert rendered([unknown, row(1, 60.0, cost=0.5)]).splitlines()[-1] == "2 trials: 20 calls, 1,234 tokens, $0.5000"


def test_a_ratio_is_not_shown_as_percent() -> None:
    """A score keeps the unit that the optimizer gave it."""
    assert re.search(r"0\.500", rendered([row(0, 0.5, unit="ratio")]))
    assert "50.0 %" in rendered([row(0, 50.0)])


def test_without_a_terminal_progress_is_lines() -> None:
    """In a log each phase and each ended trial is one line, and nothing is drawn over."""
    out = io.StringIO()
    with live_progress(Console(file=out, width=WIDTH)) as watch:
        spoken = speaking_to(watch)
        with spoken.running():
            spoken.setup({"num_trials": 1, "minibatch": False})
            with spoken.phase("bootstrap"):
                pass
            with spoken.phase("search"):
                best = {"dspy__trial__score": 62.5, "dspy__trial__score__unit": "percent", "dspy__trial__is_best": True}
                with spoken.trial(0, dspy__trial__scope="full", **best):
                    spoken.example(0)
                with spoken.trial(1, dspy__trial__state="fail", dspy__trial__parameter__seed=7):
                    pass
    assert re.sub(r"\d+\.\d s", "N s", out.getvalue()) == snapshot("""\
phase bootstrap
phase search
[1/2] trial 0: candidate: 62.5 %, full, N s (best so far)
[2/2] trial 1: seed=7: fail, N s
""")


def test_on_a_terminal_progress_is_a_line_with_trial_and_best() -> None:
    """While a trial runs the line names it, the optimizer, how many trials ended, its examples and the best score."""
    out = io.StringIO()
    with live_progress(Console(file=out, width=120, force_terminal=True)) as watch:
        spoken = speaking_to(watch)
        with spoken.running():
            spoken.setup({"num_trials": 4, "minibatch": False})
            with spoken.trial(
                0, dspy__trial__score=62.5, dspy__trial__score__unit="percent", dspy__trial__is_best=True
            ):
                pass
            with spoken.trial(1):
                spoken.example(1)
                spoken.example(1)
                # Long enough for a redraw, of which there are ten a second.
                awaited(lambda: "2 examples" in out.getvalue(), "a line of two examples")
    assert "MIPROv2 · 1 of 5 trials · trial 1 is running · 2 examples · best 62.5 %" in out.getvalue()


def test_on_a_terminal_suppressed_output_stays_suppressed() -> None:
    """What DSPy prints while standard output is redirected is not shown; else it is, above the line."""
    out, nowhere = io.StringIO(), io.StringIO()
    console = Console(file=out, width=WIDTH, force_terminal=True)
    with redirect_stdout(nowhere), live_progress(console):
        print("Bootstrapping set 1/3")  # noqa: T201 - as DSPy does
    assert nowhere.getvalue() == "Bootstrapping set 1/3\n"
    assert "Bootstrapping" not in out.getvalue()
    with redirect_stdout(out), live_progress(console):
        print("Bootstrapping set 2/3")  # noqa: T201 - as DSPy does
    assert "Bootstrapping set 2/3" in out.getvalue()


def test_a_long_table_has_its_foremost_rows() -> None:
    """The first and the best trial, and the largest full scores; the totals are those of the whole optimization."""
    rows = [row(index, 50.0 + index, scope="full" if index % 2 else "minibatch") for index in range(6)]
    rows[3] = row(3, 53.0, is_best=True)
    out = io.StringIO()
    usage = ModelUse(200, 9000, 0.5)
    Console(file=out, width=WIDTH).print(trials_table(rows, title="MIPROv2 on Classify", most=3, usage=usage))
    text = out.getvalue()
    assert re.findall(r"^ +(\*? ?\d+)   ", text, re.MULTILINE) == ["0", "* 3", "5"]
    assert " ".join(text.split()).endswith(
        "minibatch: some of the examples; only full scores compete. 3 trials not shown "
        "6 trials; the whole optimization: 200 calls, 9,000 tokens, $0.5000"
    )
