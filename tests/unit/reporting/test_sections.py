from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from otel_dspy.reporting.compile_result import Candidates, Example, ExampleResult, Predictor
from otel_dspy.reporting.report import Report
from otel_dspy.reporting.sections.choices import Cell, choices
from otel_dspy.reporting.sections.cost import cost
from otel_dspy.reporting.sections.flip_matrix import flip_matrix
from otel_dspy.reporting.sections.hard_cases import Answer, hard_cases
from otel_dspy.reporting.sections.lineage import lineage
from otel_dspy.reporting.sections.prompts.prompt_diff import prompt_diff, word_diff
from otel_dspy.reporting.sections.result.gains import Confusion, Slice, gains
from otel_dspy.reporting.sections.result.repeated_programs import repeated_programs
from otel_dspy.reporting.sections.score_history import score_history
from otel_dspy.reporting.sections.setup import setup
from otel_dspy.reporting.trials.trial_line import choice_text
from otel_dspy.reporting.trials.trial_row import ModelUse
from tests.unit.reporting.optimizations import LABELS, optimization, trial

if TYPE_CHECKING:
    from otel_dspy.reporting.compile_result import Compile, Trial


def choice(instruction: int, demos: int) -> dict[str, int]:
    """Make a trial's parameters as MIPROv2 has them."""
    return {"0_predictor_instruction": instruction, "0_predictor_demos": demos}


def test_score_history() -> None:
    """Full, minibatch and failed trials keep their marks; the interval is Wilson's in the unit of the score."""
    found = optimization(
        trial(0, "0000000111", best_score=30.0),
        trial(1, "1111......", best_score=30.0, reason="not_better"),
        trial(2, "", state="fail", scope=None, error="ValueError: no", best_score=30.0),
        trial(3, "1111111000", best_score=70.0),
        best=3,
    )
    points = score_history(found)
    assert [(one.trial, one.mark, one.score, one.n, one.best, one.is_winner) for one in points] == [
        (0, "full", 30.0, 10, 30.0, False),
        (1, "minibatch", 100.0, 4, 30.0, False),
        (2, "none", None, 0, 30.0, False),
        (3, "full", 70.0, 10, 70.0, True),
    ]
    assert points[3].interval == pytest.approx((39.68, 89.22), abs=0.01)  # Wilson's of 7 in 10
    assert [one.reason for one in points] == [None, "not better", "ValueError: no", None]
    assert [(one.examples, one.tokens, one.ended) for one in points] == [
        (10, 1100, None), (14, 2200, None), (14, 3300, None), (24, 4400, None),
    ]  # fmt: skip


def test_a_score_that_is_no_mean_has_no_interval() -> None:
    """A metric's own total is not the mean of the rows: the interval of the mean would mislead."""
    [point] = score_history(optimization(trial(0, "0011", score=75.0)))
    assert (point.score, point.interval) == (75.0, None)


def test_flip_matrix() -> None:
    """Marks compare winner and start; rows go from the easiest to the hardest, cells follow the trials."""
    found = optimization(trial(0, "1100x"), trial(1, "10..."), trial(2, "10100"), best=2, labels=LABELS[:5])
    matrix = flip_matrix(found)
    assert matrix is not None
    assert [(row.example, row.mark, row.cells) for row in matrix.rows] == [
        ("0", "always", ("right", "right", "right")),
        ("2", "fixed", ("wrong", "none", "right")),
        ("1", "broke", ("right", "wrong", "wrong")),
        ("3", "never", ("wrong", "none", "wrong")),
        ("4", "never", ("error", "none", "wrong")),
    ]
    assert matrix.counts == {"fixed": 1, "broke": 1, "never": 2, "always": 1, "mixed": 0}
    assert [(column.trial, column.is_start, column.is_winner) for column in matrix.columns] == [
        (0, True, False), (1, False, False), (2, False, True),
    ]  # fmt: skip
    assert (matrix.examples_left_out, matrix.trials_left_out, matrix.without_results) == (0, 0, ())
    assert (
        "Full cell: right; thin line: wrong; \N{MULTIPLICATION SIGN}: error, which counts as score 0; empty: not scored."
        in Report(found).html
    )
    plain = optimization(trial(0, "10"), labels=LABELS[:2])
    assert "Full cell: right; thin line: wrong." in Report(plain).html


def test_a_trial_without_a_column_is_named() -> None:
    """A proposal that was given up on has no results on the validation set."""
    found = optimization(trial(0, "10"), trial(1, "", state="pruned"), trial(2, "11"), best=2, labels=LABELS[:2])
    matrix = flip_matrix(found)
    assert matrix is not None
    assert ([column.trial for column in matrix.columns], matrix.without_results) == ([0, 2], (1,))
    assert "Without a column: trial 1, as no results on the validation set are recorded." in Report(found).html


def test_a_minibatch_of_other_examples_has_no_column() -> None:
    """Minibatches of the validation set have one, so the page states why others have none."""
    minibatch = trial(1, "", scope="minibatch", score=50.0)
    found = optimization(trial(0, "10"), minibatch, trial(2, "1."), best=0, labels=LABELS[:2])
    assert (
        "Without a column: trial 1, as no results on the validation set are recorded. Minibatches of the training set "
        "have none." in Report(found).html
    )


def test_a_large_matrix_keeps_what_is_most_informative() -> None:
    """Changed examples come first, then those that vary; start and winner stay; the counts are those of all."""
    found = optimization(trial(0, "1100"), trial(1, "11.."), trial(2, "1010"), best=2, labels=LABELS[:4])
    matrix = flip_matrix(found, max_examples=2, max_trials=2)
    assert matrix is not None
    assert [row.example for row in matrix.rows] == ["1", "2"]
    assert [column.trial for column in matrix.columns] == [0, 2]
    assert (matrix.examples_left_out, matrix.trials_left_out) == (2, 1)
    assert sum(matrix.counts.values()) == 4


def test_graded_scores_have_partial_cells() -> None:
    """Between 0 and the highest score of the compile."""
    graded = replace(trial(0, "01"), results=(ExampleResult("0", 0.5), ExampleResult("1", 2.0)))
    matrix = flip_matrix(optimization(graded, labels=LABELS[:2]))
    assert matrix is not None
    assert {row.example: row.cells for row in matrix.rows} == {"0": ("partial",), "1": ("right",)}


def test_gains_by_label_and_confusion() -> None:
    """Slices count gains and losses by label; the confusion counts the winner's answers."""
    labels = ("yes", "yes", "no", "no")
    found = optimization(
        trial(0, "1100", answers=["yes", "yes", "yes", "yes"]),
        trial(1, "1011", answers=["yes", "no", "no", "no"]),
        best=1,
        labels=labels,
    )
    result = gains(found)
    assert result is not None
    assert result.slices == (
        Slice("answer", "no", 2, 0.0, 1.0, gained=2, lost=0),
        Slice("answer", "yes", 2, 1.0, 0.5, gained=0, lost=1),
    )
    assert result.confusions == (Confusion("answer", ("no", "yes"), ((2, 0), (1, 1))),)
    assert [(one.example, one.label, one.start, one.winner) for one in result.gained] == [
        ("2", "no", "yes", "no"),
        ("3", "no", "yes", "no"),
    ]
    assert [(one.example, one.text) for one in result.lost] == [("1", "Question 1?")]
    assert gains(optimization(trial(0, "11"), best=0, labels=labels[:2])) is None


def test_more_than_twelve_values_are_no_slices() -> None:
    """Free text as a label separates nothing."""
    labels = [f"text {number}" for number in range(13)]
    result = gains(optimization(trial(0, "0" * 13), trial(1, "1" * 13, answers=labels), best=1, labels=labels))
    assert result is not None
    assert (result.slices, result.confusions) == ((), ())


def test_choices() -> None:
    """Each cell is the mean over the examples of its trials with their number; what no trial chose is not tried."""
    found = optimization(
        trial(0, "0000"),
        trial(1, "11..", parameters=choice(0, 1)),
        trial(2, "1010", parameters=choice(0, 1)),
        trial(3, "0001", parameters=choice(1, 0)),
        best=1,
        labels=LABELS[:4],
        candidates=Candidates({"0": ("a", "b")}, {"0": (0, 4)}),
    )
    result = choices(found)
    assert result is not None
    [grid] = result.grids
    untried = Cell(None, 0, 0)
    assert (grid.instructions, grid.demos, grid.demo_counts) == ((0, 1), (0, 1), (0, 4))
    assert grid.cells == ((untried, Cell(4 / 6, 6, 2)), (Cell(0.25, 4, 1), untried))
    assert grid.by_instruction == (Cell(4 / 6, 6, 2), Cell(0.25, 4, 1))
    assert grid.by_demos == (Cell(0.25, 4, 1), Cell(4 / 6, 6, 2))
    assert grid.not_tried == 2
    assert result.not_counted == (0,)
    assert "Not counted: trial 0, the start, for which the optimizer chose nothing." in Report(found).html


def test_repeated_programs() -> None:
    """Trials of the same program, and on how many examples their answers differ; unknown programs are none."""
    first, other = (Predictor("a", "Answer."),), (Predictor("a", "Think."),)
    found = optimization(
        trial(0, "0011", program=first),
        trial(1, "11..", program=first, parameters=choice(0, 0)),
        trial(2, "1111", program=other, parameters=choice(1, 0)),
        trial(3, "..11", program=first, parameters=choice(0, 0)),
        trial(4, "0000"),
        trial(5, "0000"),
        best=2,
        labels=LABELS[:4],
    )
    [one] = repeated_programs(found)
    assert (one.trials, one.is_start, one.common, one.differing) == ((0, 1, 3), True, 4, 2)
    assert one.text == (
        "Trials 0, the start; 1; 3: the same program, and its results differ from run to run: 2 examples of 4 that at "
        "least two of them scored have different scores."
    )
    report = Report(found)
    assert one.text in report.html
    assert one.text in str(report)
    assert json.loads(report.json)["repeated_programs"][0]["trials"] == [0, 1, 3]
    steady = optimization(trial(0, "0011"), trial(1, "1111", program=first), trial(2, "11..", program=first), best=1)
    assert [one.text for one in repeated_programs(steady)] == ["Trials 1, 2: the same program."]


def test_other_parameters_are_choices_too() -> None:
    """A parameter with two values has a mean for each; one that is always the same, and bookkeeping, has none."""
    found = optimization(
        trial(0, "00", parameters={"depth": 1, "same": 1, "iteration": 0}),
        trial(1, "11", parameters={"depth": 2, "same": 1, "iteration": 1}),
        labels=LABELS[:2],
    )
    result = choices(found)
    assert result is not None
    [parameter] = result.parameters
    assert (parameter.name, [(one.value, one.cell.mean) for one in parameter.options]) == (
        "depth",
        [("1", 0.0), ("2", 1.0)],
    )
    assert choices(optimization(trial(0, "01"), labels=LABELS[:2])) is None


@pytest.mark.parametrize(
    ("label", "parameters", "shown"),
    [
        ("default program", {}, "start"),
        ("seed", {"iteration": 0, "candidate": 0}, "start, candidate 0"),
        ("seed -3", {"seed": -3}, "start, seed -3"),
        ("seed, restored", {"candidate": 0, "restored": True}, "start, candidate 0, restored"),
        ("depth 0, answer, candidate 1", {"depth": 0, "candidate": 1}, "start, depth 0, answer, candidate 1"),
        (None, {}, "start"),
    ],
)
def test_the_start_has_one_name(label: str | None, parameters: dict[str, int], shown: str) -> None:
    """Each optimizer has a label of its own for the trial of the initial program."""
    found = optimization(trial(0, "01", label=label, parameters=parameters), trial(1, "11"), best=1, labels=LABELS[:2])
    assert choice_text(found.trials[0].row) == shown
    first_card = shown.replace("start", "the initial program", 1)
    assert f'Start: trial 0</span><b>50.0 %</b><span class="soft">{first_card}; 2 examples' in Report(found).html


def test_a_trial_has_the_name_of_its_run() -> None:
    """What the optimizer chose, else its own word, which has more than the number of a candidate in its step."""
    label = "depth 1, answer, candidate 2"
    found = trial(1, "01", label=label, parameters={"depth": 1, "candidate": 2}).row
    assert choice_text(found) == label
    assert choice_text(trial(1, "01", parameters={"candidate": 2}).row) == "candidate 2"
    assert choice_text(trial(1, "01", parameters={"depth": 1}).row) == "depth=1"
    assert choice_text(trial(1, "01").row) == "candidate"


def test_word_diff() -> None:
    """What is equal, removed and added, in order, joined again to both texts."""
    pieces = word_diff("Tell the sentiment.", "Tell me the mood.")
    assert [(piece.kind, piece.text) for piece in pieces] == [
        ("same", "Tell"),
        ("added", " me"),
        ("same", " the "),
        ("removed", "sentiment"),
        ("added", "mood"),
        ("same", "."),
    ]
    assert [piece.kind for piece in word_diff("same", "same")] == ["same"]
    long = "word " * 3_000
    assert [piece.kind for piece in word_diff(long, long + "more")] == ["removed", "added"]


def test_prompt_diff() -> None:
    """Predictor by predictor, with demos; nothing without recorded programs."""
    found = optimization(
        initial_program=(Predictor("a", "Old."), Predictor("b", "Same.")),
        best_program=(Predictor("a", "New.", ({"q": "1", "augmented": True},)), Predictor("b", "Same.")),
    )
    first, second = prompt_diff(found)
    assert (first.name, first.changed, first.demos_before, first.demos_after, first.demos) == ("a", True, 0, 1, ("1",))
    assert (second.name, second.changed) == ("b", False)
    assert prompt_diff(optimization()) == ()


def test_lineage() -> None:
    """Accepted candidates with depth and Pareto share, a merge with two parents, rejections with their reasons."""
    found = optimization(
        trial(0, "1000", parameters={"candidate": 0}),
        trial(1, "1100", parameters={"candidate": 1, "parents": [0], "components": ["left"]}),
        trial(2, "1010", parameters={"candidate": 2, "parents": [0], "components": ["right"]}),
        trial(
            3,
            "",
            state="rejected",
            reason="not_better",
            parameters={"parents": [1]},
            measures={"minibatch_before": 0.5},
        ),
        trial(4, "1110", parameters={"candidate": 3, "parents": [1, 2], "components": ["left", "right"]}),
        best=4,
        labels=LABELS[:4],
    )
    result = lineage(found)
    assert result is not None
    assert [(one.candidate, one.depth, one.parents, one.best_at, one.is_winner) for one in result.nodes] == [
        (0, 0, (), 2, False),
        (1, 1, (0,), 3, False),
        (2, 1, (0,), 3, False),
        (3, 2, (1, 2), 4, True),
    ]
    [rejected] = result.rejections
    assert (rejected.trial, rejected.parents, rejected.reason, rejected.before, rejected.after) == (
        3, (1,), "not better", 0.5, None,
    )  # fmt: skip
    assert result.reasons == (("rejected", 1),)
    html = Report(found).html
    assert "1 proposal not accepted (1 rejected). Rejected: scored on a minibatch, and not accepted.</p>" in html
    assert lineage(optimization(trial(0, "01"), labels=LABELS[:2])) is None


def test_lineage_of_candidates_that_are_doubles() -> None:
    """JSON has one type of number, and a pipeline may write the integer 0 as 0.0: the candidates are the same."""
    found = optimization(
        trial(0, "10", parameters={"candidate": 0.0}),
        trial(1, "11", parameters={"candidate": 1.0, "parents": [0.0]}),
        best=1,
        labels=LABELS[:2],
    )
    assert [node[:3] for node in _nodes(found)] == [(0, 0, ()), (1, 1, (0,))]
    depths = [
        trial(index, results, program_id=str(index), parameters={"depth": float(index), "predictor": "self"})
        for index, results in enumerate(("00", "10", "11"))
    ]
    copros = optimization(*depths, best=2, labels=LABELS[:2], optimizer="COPRO")
    assert [node[:3] for node in _nodes(copros)] == [(0, 0, ()), (1, 1, (0,)), (2, 2, (1,))]


def _nodes(found: Compile) -> list[tuple[Any, ...]]:
    result = lineage(found)
    assert result is not None
    return [(one.candidate, one.depth, one.parents, one.components, one.best_at, one.is_winner) for one in result.nodes]


def test_lineage_of_programs() -> None:
    """SIMBA records what a strategy changed: validations are trials of the same programs, the initial one the first."""
    step: dict[str, Any] = {"label": "step 0, candidate 0", "kind": "candidate", "unit": "ratio"}
    found = optimization(
        trial(0, "11..", program_id="b", parent_ids=("a",), parameters={"strategy": "append_a_demo"}, **step),
        trial(1, "10..", program_id="a", parent_ids=("a",), parameters={"strategy": "append_a_rule"}, **step),
        trial(2, "", program_id=None, error="ValueError: no rule", state="fail", **step),
        trial(3, "1.1.", program_id="c", parent_ids=("b",), parameters={"strategy": "append_a_rule"}, **step),
        trial(4, "1000", program_id="a", kind="baseline", label="validation 0"),
        trial(5, "1110", program_id="c", kind="full_evaluation", label="validation 1"),
        best=5,
        labels=LABELS[:4],
        optimizer="SIMBA",
    )
    assert _nodes(found) == [
        (1, 0, (), (), 2, False),
        (0, 1, (1,), ("append_a_demo",), None, False),
        (3, 2, (0,), ("append_a_rule",), 4, True),
    ]
    html = Report(found).html
    assert (
        "<p>3 programs, each named after the trial that tried it first, 1 trial without a program (1 fail). A line leads "
        "from the program that a trial began with. A score with ~ is of a minibatch.</p>" in html
    )
    assert ">~100.0 %</tspan>" in html
    assert ">75.0 %, trial 5</tspan>" in html
    assert "<td>ValueError: no rule</td>" in html


def test_lineage_of_copro() -> None:
    """A depth is below the best attempt at the same predictor so far; another optimizer's trials have no lineage."""

    def attempt(index: int, results: str, depth: int, **facts: Any) -> Trial:
        parameters = {"depth": depth, "predictor": "self", "candidate": index}
        return trial(index, results, program_id=str(index), parameters=parameters, **{"kind": "candidate"} | facts)

    trials = (
        attempt(0, "1100", 0),
        attempt(1, "1000", 0, kind="baseline"),
        attempt(2, "1110", 1),
        attempt(3, "1111", 2),
    )
    found = optimization(*trials, best=3, labels=LABELS[:4], optimizer="COPRO")
    assert [node[:4] for node in _nodes(found)] == [
        (1, 0, (), ()),
        (0, 1, (1,), ("depth 0, self",)),
        (2, 2, (0,), ("depth 1, self",)),
        (3, 3, (2,), ("depth 2, self",)),
    ]
    assert "COPRO proposes from all attempts so far: a line leads from the best of them." in Report(found).html
    assert lineage(optimization(*trials, best=3, labels=LABELS[:4])) is None


def test_a_large_lineage_keeps_the_ancestors_of_the_winner() -> None:
    """And the programs with the highest scores; the page states how many are left out."""
    trials = [
        trial(
            index,
            "1" if index % 2 else "0",
            program_id=str(index),
            parent_ids=(str(index - 1),) if index < 4 else ("0",),
        )
        for index in range(150)
    ]
    result = lineage(optimization(*trials, best=3, labels=LABELS[:1], optimizer="Mine"))
    assert result is not None
    kept = {node.candidate for node in result.nodes}
    assert (len(kept), kept >= {0, 1, 2, 3, *range(5, 150, 2)}, result.left_out) == (100, True, 50)
    assert "50 programs left out." in Report(optimization(*trials, best=3, labels=LABELS[:1], optimizer="Mine")).html


def test_cost() -> None:
    """Shares are of all tokens; what the trials do not have was used outside of them."""
    found = optimization(
        trial(0, "01"),
        labels=LABELS[:2],
        usage=ModelUse(30, 4400, 0.04),
        usage_by_role={"task": ModelUse(20, 3300, 0.03), "prompt": ModelUse(10, 1100, 0.01)},
        usage_by_model={"one": ModelUse(30, 4400, 0.04)},
        initial_program=(Predictor("a", "1234"),),
        best_program=(Predictor("a", "12345", ({"q": "67"},)),),
    )
    result = cost(found)
    assert [(part.name, part.share) for part in result.roles] == [("task", 0.75), ("prompt", 0.25)]
    assert result.models == ()
    assert (result.outside.calls, result.outside.tokens, result.outside.cost) == (20, 3300, pytest.approx(0.03))
    assert (result.prompt_before, result.prompt_after) == (4, 7)


def test_hard_cases() -> None:
    """Examples that no trial solved, most often tried first, with their answers by frequency."""
    found = optimization(
        trial(0, "001", answers=["a", "b", "c"]),
        trial(1, "0.1", answers=["a", "", "c"]),
        trial(2, "x.1"),
        labels=LABELS[:3],
    )
    result = hard_cases(found)
    assert result is not None
    assert [(one.example, one.trials, one.answers) for one in result.cases] == [
        ("0", 3, (Answer("a", 2), Answer("ValueError: no answer", 1))),
        ("1", 1, (Answer("b", 1),)),
    ]
    assert (result.total, result.cases[0].label) == (2, "yes")
    assert hard_cases(optimization()) is None


def test_a_loss_has_no_hard_cases() -> None:
    """Its best value may be 0; a metric that also gives scores above 0 has them, as one that gives nothing but 0."""

    def scored(*scores: float) -> Trial:
        found = tuple(ExampleResult(str(position), score) for position, score in enumerate(scores))
        return replace(trial(0, "000"), results=found)

    assert hard_cases(optimization(scored(0.0, -1.0, -2.0), labels=LABELS[:3])) is None
    mixed, zero = (hard_cases(optimization(scored(*given), labels=LABELS[:3])) for given in ((1, -1, 0), (0, 0, 0)))
    assert (mixed and mixed.total, zero and zero.total) == (2, 3)


def test_answers_of_hard_cases_are_those_that_have_labels() -> None:
    """What a chain of thought wrote before them differs in each trial, and does not make them different."""
    reasoned = [
        replace(
            trial(index, "0"), results=(ExampleResult("0", 0.0, {"reasoning": f"Thought {index}.", "answer": "no"}),)
        )
        for index in range(3)
    ]
    labeled = hard_cases(optimization(*reasoned, labels=("yes",)))
    assert labeled is not None
    assert labeled.cases[0].answers == (Answer("no", 3),)
    unlabeled = hard_cases(optimization(*reasoned, examples=(Example("0", {"question": "?"}),)))
    assert unlabeled is not None
    assert unlabeled.cases[0].answers[0] == Answer("reasoning: Thought 0., answer: no", 1)


def test_a_missing_answer_is_named() -> None:
    """A field without a value is no answer; without content there is nothing to name."""
    silent = replace(trial(0, "00"), results=(ExampleResult("0", 0.0), ExampleResult("1", 0.0, {"answer": "no"})))
    found = optimization(silent, trial(1, "11", answers=LABELS[:2]), best=1, labels=LABELS[:2])
    result = gains(found)
    assert result is not None
    assert [change.start for change in result.gained] == ["no answer", "no"]
    hard = hard_cases(optimization(silent, labels=LABELS[:2]))
    assert hard is not None
    assert [case.answers for case in hard.cases] == [(Answer("no answer", 1),), (Answer("no", 1),)]
    without = replace(silent, results=(ExampleResult("0", 0.0), ExampleResult("1", 0.0)))
    hidden = gains(optimization(without, trial(1, "11"), best=1, labels=LABELS[:2]))
    assert hidden is not None
    assert [change.start for change in hidden.gained] == ["-", "-"]


def test_setup() -> None:
    """Parameters by name, and code that loads the winner from the store."""
    result = setup(optimization(parameters={"seed": 7, "auto": None}))
    assert (result.parameters, result.seeds) == ((("auto", "null"), ("seed", "7")), (("seed", "7"),))
    assert f"run_id='{'f' * 32}'" in result.load
    assert "mlflow.set_tracking_uri('sqlite:///mlflow.db')" in result.load
    compile(result.load, "load", "exec")
