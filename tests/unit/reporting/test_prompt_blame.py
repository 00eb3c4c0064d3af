from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from otel_dspy.reporting.compile_result import Predictor
from otel_dspy.reporting.report import Report
from otel_dspy.reporting.sections.prompts.prompt_blame import Origin, Passage, prompt_blame
from tests.unit.reporting.optimizations import optimization, trial

if TYPE_CHECKING:
    from otel_dspy.reporting.compile_result import Trial

START = (Predictor("classify", "Answer the question."),)


def candidate(index: int, results: str, instructions: str, *parents: int) -> Trial:
    """Make an accepted candidate that is derived from the programs of these trials."""
    return trial(
        index,
        results,
        parameters={"candidate": index},
        program=(Predictor("classify", instructions),),
        program_id=f"p{index}",
        parent_ids=tuple(f"p{parent}" for parent in parents),
    )


def test_each_passage_has_the_trial_that_introduced_it() -> None:
    """Over two generations; what is left of the start has none; the gain is that over the parent."""
    found = optimization(
        candidate(0, "1000", "Answer the question."),
        candidate(1, "1100", "Answer the question. Check your sums.", 0),
        candidate(2, "0000", "Never used.", 0),
        candidate(3, "1110", "Answer the question. Check your sums twice.", 1),
        best=3,
        labels=("yes",) * 4,
        initial_program=START,
    )
    [blame] = prompt_blame(found)
    assert blame.passages == (
        Passage("Answer the question.", None),
        Passage(" Check your sums", 1),
        Passage(" twice", 3),
        Passage(".", 1),
    )
    assert blame.origins == (
        Origin(1, "candidate 1", 50.0, "full", 25.0, 3),
        Origin(3, "candidate 3", 75.0, "full", 25.0, 1),
    )


def test_a_merge_has_the_words_of_both_parents() -> None:
    """Passages that neither parent has are its own."""
    found = optimization(
        candidate(0, "1000", "Answer."),
        candidate(1, "1100", "Answer. Think first.", 0),
        candidate(2, "1010", "Answer. Use digits.", 0),
        candidate(3, "1111", "Answer. Think first. Use digits. Now.", 1, 2),
        best=3,
        labels=("yes",) * 4,
        initial_program=(Predictor("classify", "Answer."),),
    )
    [blame] = prompt_blame(found)
    assert [(passage.text, passage.trial) for passage in blame.passages] == [
        ("Answer.", None), (" Think first.", 1), (" Use digits.", 2), (" Now.", 3),
    ]  # fmt: skip
    assert [(origin.trial, origin.gain) for origin in blame.origins] == [(1, 25.0), (2, 25.0), (3, 50.0)]


def test_without_lineage_it_is_the_first_trial_with_the_text() -> None:
    """MIPROv2 tries a proposed instruction several times, on minibatches first."""
    text = (Predictor("classify", "Answer the hard question."),)
    found = optimization(
        trial(0, "1000", program=START),
        trial(1, "11..", program=text),
        trial(2, "1110", program=text),
        best=2,
        labels=("yes",) * 4,
        initial_program=START,
    )
    [blame] = prompt_blame(found)
    assert [(passage.text, passage.trial) for passage in blame.passages] == [
        ("Answer the ", None), ("hard ", 1), ("question.", None),
    ]  # fmt: skip
    [origin] = blame.origins
    assert (origin.score, origin.scope, origin.gain, origin.words) == (100.0, "minibatch", None, 1)
    html = Report(replace(found, best_program=text)).html
    assert '<td class="num">100.0 % (minibatch)</td><td class="num">-</td>' in html


def test_function_words_come_from_nowhere() -> None:
    """A rewritten instruction shares "the", "of" and "a" with the initial one by accident; they are of its passage."""
    text = (Predictor("classify", "List a number of values in the array, then stop."),)
    found = optimization(
        trial(0, "1000", program=(Predictor("classify", "Tell a judge of songs the truth."),)),
        trial(1, "1110", program=text),
        best=1,
        labels=("yes",) * 4,
        initial_program=(Predictor("classify", "Tell a judge of songs the truth."),),
    )
    [blame] = prompt_blame(found)
    assert [(passage.text, passage.trial) for passage in blame.passages] == [
        ("List a number of values in the array, then stop", 1), (".", None),
    ]  # fmt: skip


def test_nothing_to_blame() -> None:
    """An unchanged instruction, programs that are not recorded, and a text that is too long to compare."""
    unchanged = optimization(trial(0, "10", program=START), best=0, labels=("yes",) * 2, initial_program=START)
    long = optimization(
        trial(0, "10", program=(Predictor("classify", "word " * 3_000),)),
        best=0,
        labels=("yes",) * 2,
        initial_program=START,
    )
    assert [prompt_blame(found) for found in (unchanged, long, optimization())] == [(), (), ()]
