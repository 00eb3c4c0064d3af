from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from inline_snapshot import snapshot

from otel_dspy.reporting.compare import Comparison
from otel_dspy.reporting.comparison.comparison_verdict import outcome, sentence
from otel_dspy.reporting.comparison.pairing import pair_examples
from otel_dspy.reporting.comparison.parameters import ParameterRow, differing_parameters
from otel_dspy.reporting.comparison.run_comparison import compare_runs
from otel_dspy.reporting.comparison.run_figures import run_figures
from otel_dspy.reporting.comparison.text_comparison import curve_text, text
from otel_dspy.reporting.comparison.winner_comparison import compare_examples
from otel_dspy.reporting.compile_result import Example, Predictor
from otel_dspy.reporting.trials.trial_row import ModelUse
from tests.unit.reporting.optimizations import optimization, trial
from tests.unit.reporting.test_page import MARKUP, parsed

if TYPE_CHECKING:
    from otel_dspy.reporting.compile_result import Compile


def run(results: str, run_id: str = "a", *, digest: str | None = "d1", **facts: object) -> Compile:
    """Make an optimization whose winner, trial 1, has these results; see `trial` for the characters."""
    labels = ["yes"] * len(results)
    found = optimization(trial(0, "0" * len(results)), trial(1, results), best=1, labels=labels, **facts)
    return replace(found, run_id=run_id * 32, validation_digest=digest)


def questions(found: Compile, *names: str) -> Compile:
    """Replace the questions of the examples."""
    return replace(found, examples=tuple(Example(str(number), {"question": name}) for number, name in enumerate(names)))


def without_content(found: Compile) -> Compile:
    """Remove the content of the examples."""
    return replace(found, examples=tuple(Example(example.id) for example in found.examples))


def test_equal_digests_pair_by_position() -> None:
    """Content is not needed."""
    found = pair_examples(without_content(run("01")), without_content(run("11")))
    assert (found.method, found.pairs, found.difference) == ("digest", (("0", "0"), ("1", "1")), None)


def test_another_order_is_paired_by_content() -> None:
    """Equal examples are paired in their order; the order is named."""
    first, second = questions(run("011"), "x", "y", "y"), questions(run("011", digest="d2"), "y", "x", "y")
    found = pair_examples(first, second)
    assert (found.method, found.pairs) == ("content", (("0", "1"), ("1", "0"), ("2", "2")))
    assert found.difference == "the validation sets have the same examples in another order"


def test_without_a_validation_set_the_training_set_is_named() -> None:
    """In the table, the JSON object and each sentence, as on the report's page; of two kinds each is named."""
    training = questions(run("011", "b", digest="d2", scored_on="training"), "y", "x", "y")
    partly = questions(run("01.", "c", digest="d3", scored_on="training"), "y", "x", "z")
    same = compare_runs([training, partly])
    assert re.search(r"training examples +3 +3\n", text(same))
    assert same.warnings == (
        "The winner of MIPROv2 cccccccc was not scored on the whole training set.",
        "MIPROv2 cccccccc and MIPROv2 bbbbbbbb: the training sets differ: 2 examples in common, of 3 and 3.",
    )
    both = Comparison((questions(run("011"), "x", "y", "y"), training))
    assert re.search(r"\n  examples +3 validation +3 training\n", str(both))
    assert [(one["scored_on"], one["examples"], one["examples_digest"]) for one in json.loads(both.json)["runs"]] == [
        ("validation", 3, "d1"),
        ("training", 3, "d2"),
    ]
    assert both.data.pairs[0].examples.pairing.difference == (
        "the validation set and the training set have the same examples in another order"
    )
    unrecorded = pair_examples(without_content(run("0")), without_content(run("1", digest=None, scored_on="training")))
    assert "has no record of its training set" in (unrecorded.difference or "")


def test_what_a_field_is_does_not_matter_for_pairs() -> None:
    """A label of one program may be an input of the other."""
    first = replace(run("0"), examples=(Example("0", {"q": "x"}, {"a": "1"}),))
    second = replace(run("1", digest="d2"), examples=(Example("0", {"q": "x", "a": "1"}),))
    assert pair_examples(first, second).pairs == (("0", "0"),)


@pytest.mark.parametrize(
    ("first", "second", "difference"),
    [
        (
            questions(run("01"), "x", "y"),
            questions(run("01", digest="d2"), "v", "w"),
            "the validation sets, of 2 and 2 examples, have no example in common",
        ),
        (
            without_content(run("01")),
            without_content(run("01", digest="d2")),
            (
                "the validation sets differ (digests d1 and d2), and without the content of both the examples in common "
                "are not known: record it with capture_content=True"
            ),
        ),
        (
            without_content(run("01", "b", digest=None)),
            without_content(run("01")),
            (
                f"run {'b' * 32} has no record of its validation set: record the optimization with capture_datasets=True "
                "and capture_content=True"
            ),
        ),
    ],
    ids=["nothing-in-common", "other-digest", "not-recorded"],
)
def test_sets_that_cannot_be_paired(first: Compile, second: Compile, difference: str) -> None:
    """Nothing is paired by position alone; the reason is named, and is the verdict's."""
    found = pair_examples(first, second)
    assert (found.method, found.pairs, found.difference) == ("none", (), difference)
    compared = compare_examples(first, second)
    assert (outcome(compared), compared.missing) == ("unknown", difference)


VERDICTS = [
    (
        "0000000000",
        "1111111100",
        "better",
        (
            "MIPROv2 bbbbbbbb is better than MIPROv2 aaaaaaaa by 80.0 points: 8 examples improved and 0 got worse, of 10 "
            "(p = 0.0078, exact sign test)."
        ),
    ),
    (
        "1111111100",
        "0000000000",
        "worse",
        (
            "MIPROv2 bbbbbbbb is worse than MIPROv2 aaaaaaaa by 80.0 points: 0 examples improved and 8 got worse, of 10 "
            "(p = 0.0078, exact sign test)."
        ),
    ),
    (
        "0011110011",
        "1111110010",
        "noise",
        (
            "The difference of +10.0 points between MIPROv2 bbbbbbbb and MIPROv2 aaaaaaaa is noise: 2 examples improved "
            "and 1 got worse, of 10 (p = 1, exact sign test); with these rates about 124 examples in all would separate the two."
        ),
    ),
    (
        "0011",
        "1010",
        "noise",
        (
            "The difference of +0.0 points between MIPROv2 bbbbbbbb and MIPROv2 aaaaaaaa is noise: 1 example improved "
            "and 1 got worse, of 4 (p = 1, exact sign test)."
        ),
    ),
    (
        "0101",
        "0101",
        "equal",
        "MIPROv2 bbbbbbbb and MIPROv2 aaaaaaaa are equal: their winners scored each of 4 examples the same.",
    ),
]


@pytest.mark.parametrize(("before", "after", "expected", "verdict"), VERDICTS)
def test_verdicts(before: str, after: str, expected: str, verdict: str) -> None:
    """Better and worse only where the test is significant; everything else is noise or equal."""
    first, second = run(before), run(after, "b")
    compared = compare_examples(first, second)
    assert (outcome(compared), sentence(first, second, compared)) == (expected, verdict)


def test_what_is_not_recorded_is_in_the_verdict() -> None:
    """A run without a winner, without results, or with another metric: no test, and the reason."""
    first = run("01")
    for second, missing in (
        (replace(run("01", "b"), best_trial=None), f"run {'b' * 32} has no trial with the returned program"),
        (
            run("..", "b"),
            (
                f"run {'b' * 32} has no results by example of its winner: record the optimization with "
                "capture_content=True, and score its program on a validation set"
            ),
        ),
        (replace(run("01", "b"), metric="judge"), "the metrics differ, exact and judge"),
    ):
        compared = compare_examples(first, second)
        assert (compared.test, compared.missing) == (None, missing)
    assert sentence(first, run("11", "b", metric="judge"), compared) == (
        "MIPROv2 bbbbbbbb and MIPROv2 aaaaaaaa, with best scores 100.0 % and 50.0 %, cannot be compared by example: "
        "the metrics differ, exact and judge."
    )


def test_figures_of_a_run() -> None:
    """Points, whichever unit the optimizer uses; cost for each point gained only where there is a gain and a price."""
    ratio = run_figures(run("01", unit="ratio", initial_score=0.25, best_score=0.5))
    assert (ratio.initial_score, ratio.best_score, ratio.gain) == (25.0, 50.0, 25.0)
    assert (ratio.cost_per_point, ratio.tokens_per_point) == (pytest.approx(0.0012), 132.0)
    unpriced = run_figures(run("01", usage=ModelUse(1, 100, None), initial_score=0.0, best_score=50.0))
    assert (unpriced.cost_per_point, unpriced.tokens_per_point) == (None, 2.0)
    partly = text(compare_runs([run("01", usage=ModelUse(9, 100, 0.5, 2)), run("01", usage=ModelUse(9, 100, None, 9))]))
    assert re.search(r"cost  +\$0.5000 and 2 calls without a price +price unknown", partly)
    none = run_figures(run("01", initial_score=50.0, best_score=50.0))
    assert (none.gain, none.cost_per_point, none.tokens_per_point) == (0.0, None, None)


def test_parameters_that_differ() -> None:
    """Those that are the same are left out; one that a run does not have is `-`."""
    first = run("01", parameters={"seed": 7, "auto": None, "lm.model": "a"})
    second = replace(run("01", parameters={"seed": 8, "lm.model": "a"}), optimizer="GEPA")
    assert differing_parameters([first, second]) == (
        ParameterRow("optimizer", ("MIPROv2", "GEPA")),
        ParameterRow("auto", ("null", "-")),
        ParameterRow("seed", ("7", "8")),
    )


def test_a_winner_whose_score_is_no_finite_number() -> None:
    """The optimizer kept the first trial, which scored NaN: it was scored on the whole set, and its content recorded."""
    first = questions(run("011"), "x", "y", "z")
    kept = questions(run("011", "b"), "x", "y", "z")
    unscored = [replace(one, row=replace(one.row, score=None), results=()) for one in kept.trials]
    kept = replace(kept, trials=tuple(unscored), best_score=None)
    compared = compare_runs([first, kept])
    assert compared.warnings == ()
    assert f"cannot be compared by example: the score of the winner of run {'b' * 32} is not a finite number" in text(
        compared
    )


def test_warnings() -> None:
    """Runs in progress, failed runs, minibatches, sets that differ, and several comparisons."""
    first = questions(run("011"), "x", "y", "z")
    second = questions(run("011", "b", digest="d2", status="RUNNING"), "y", "x", "w")
    third = questions(run("01.", "c", error="ValueError: no"), "x", "y", "z")
    assert compare_runs([first, second, third]).warnings == snapshot(
        (
            "MIPROv2 bbbbbbbb is running: its winner is the best trial so far.",
            "MIPROv2 cccccccc failed (ValueError: no): its winner is the best trial until then.",
            "The winner of MIPROv2 cccccccc was not scored on the whole validation set.",
            "MIPROv2 bbbbbbbb and MIPROv2 aaaaaaaa: the validation sets differ: 2 examples in common, of 3 and 3.",
            "2 runs are compared with the first one, and the p-values are not adjusted for that: a difference is more than chance below 0.025, not 0.05.",
        )
    )


def test_a_long_curve_lists_its_changes() -> None:
    """With the trial at which each begins."""
    trials = [trial(number, "", best_score=50.0 if number < 9 else 75.0) for number in range(20)]
    assert curve_text(run_figures(optimization(*trials))) == "0:50.0 9:75.0 (20 trials)"


@pytest.fixture
def small() -> Comparison:
    """Two runs that differ in everything that is shown."""
    first = run("1100", best_program=(Predictor("a", "Old words."),), parameters={"seed": 1})
    second = run("1011", "b", best_program=(Predictor("a", "New words.", ({"q": "1"},)),), parameters={"seed": 2})
    return Comparison((first, second))


def test_as_text(small: Comparison) -> None:
    """Verdict, table of runs, parameters, curves, flips with answers, word diff."""
    assert str(small) == snapshot("""\
The difference of +25.0 points between MIPROv2 bbbbbbbb and MIPROv2 aaaaaaaa is noise: 2 examples improved and 1 got worse, of 4 (p = 1, exact sign test); with these rates about 50 examples in all would separate the two.

Runs

                            MIPROv2 aaaaaaaa   MIPROv2 bbbbbbbb
 ───────────────────────────────────────────────────────────────
  program                   Classify           Classify
  status                    FINISHED           FINISHED
  validation examples       4                  4
  initial score             0.0 %              0.0 %
  best score                50.0 %             75.0 %
  gain                      +50.0 points       +75.0 points
  trials                    2                  2
  duration                  1 min 15 s         1 min 15 s
  calls                     30                 30
  tokens                    3,300              3,300
  cost                      $0.0300            $0.0300
  cost per point gained     $0.0006            $0.0004
  tokens per point gained   66                 44

Parameters that differ

         MIPROv2 aaaaaaaa   MIPROv2 bbbbbbbb
 ────────────────────────────────────────────
  seed   1                  2

Best score up to each trial
  MIPROv2 aaaaaaaa: 0.0 50.0
  MIPROv2 bbbbbbbb: 0.0 75.0

2 examples improved from MIPROv2 aaaaaaaa to MIPROv2 bbbbbbbb
  2: Question 2? | wrong -> right
  3: Question 3? | wrong -> right

1 example got worse from MIPROv2 aaaaaaaa to MIPROv2 bbbbbbbb
  1: Question 1? | right -> wrong

Instructions of a, from MIPROv2 aaaaaaaa to MIPROv2 bbbbbbbb
  [-Old-]{+New+} words.
  1 demo, 0 before
""")


def test_as_json(small: Comparison) -> None:
    """The same figures as data."""
    found = json.loads(small.json)
    [pair] = found["pairs"]
    assert (pair["outcome"], pair["examples"]["pairing"]) == (
        "noise",
        {"method": "digest", "pairs": 4, "difference": None},
    )
    assert (pair["examples"]["test"]["gained"], pair["examples"]["test"]["significant"]) == (2, False)
    assert [one["usage"]["tokens"] for one in found["runs"]] == [3300, 3300]
    assert found["parameters"] == {"seed": ["1", "2"]}


def test_the_page_escapes_content() -> None:
    """No markup of an example, an answer, a parameter or an instruction is markup of the page."""
    first = replace(
        run("10", parameters={"text": MARKUP}),
        examples=(Example("0", {"question": MARKUP}), Example("1", {"question": "x"})),
        best_program=(Predictor(MARKUP, MARKUP),),
    )
    second = replace(run("01", "b"), best_program=(Predictor(MARKUP, f"{MARKUP} more"),))
    page = Comparison((first, second)).html
    found = parsed(page)
    assert not any(attributes.get("class") == "planted" for _, attributes in found.attributes)
    assert MARKUP in " ".join(found.texts)
    assert "<script" not in page


def test_text_without_content() -> None:
    """Examples are shown by their ids."""
    found = text(compare_runs([without_content(run("10")), without_content(run("01", "b"))]))
    assert "  1: example 1 | " in found
