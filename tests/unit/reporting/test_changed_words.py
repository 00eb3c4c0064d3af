"""The excerpt of the changed words, which the first screen of the page has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.reporting.compile_result import Predictor
from otel_dspy.reporting.sections.prompts.changed_words import changed_words
from otel_dspy.reporting.sections.prompts.prompt_diff import program_diff

if TYPE_CHECKING:
    from otel_dspy.reporting.sections.prompts.changed_words import ChangedWords

MARKS = {"same": "{}", "added": "[+{}]", "removed": "[-{}]"}
FILLER = "one two three four five six seven eight nine ten "


def excerpt(*pairs: tuple[str, str]) -> ChangedWords | None:
    """Return the excerpt of predictors `a`, `b`, ... with these instructions before and after."""
    names = "abcdefg"[: len(pairs)]
    before = [Predictor(name, old) for name, (old, _) in zip(names, pairs, strict=True)]
    after = [Predictor(name, new) for name, (_, new) in zip(names, pairs, strict=True)]
    return changed_words(program_diff(before, after))


def lines(found: ChangedWords | None) -> list[str]:
    """Return the excerpt as text, a line for each predictor."""
    assert found is not None
    return [
        f"{one.name}: {''.join(MARKS[piece.kind].format(piece.text) for piece in one.pieces)}" for one in found.excerpts
    ]


def test_changes_with_what_is_beside_them() -> None:
    """Four words on each side; line breaks are spaces."""
    old = f"{FILLER}Tell the label.\n\n{FILLER}{FILLER}End it."
    new = f"{FILLER}Tell the right label.\n\n{FILLER}{FILLER}End it now."
    assert lines(excerpt((old, new))) == [
        "a: … nine ten Tell the[+ right] label. one two … nine ten End it[+ now].",
    ]


def test_few_words_between_two_changes_are_shown_whole() -> None:
    """As many as would be shown of a longer text; with one more, four words on each side."""
    few = "one two three four five six seven eight"
    assert lines(excerpt((f"Tell {few} end.", f"Tell now {few} really end."))) == [
        f"a: Tell[+ now] {few} [+really ]end."
    ]
    assert lines(excerpt((f"Tell zero {few} end.", f"Tell now zero {few} really end."))) == [
        "a: Tell[+ now] zero one two three … five six seven eight [+really ]end."
    ]


def test_a_rewritten_text_is_not_compared_word_by_word() -> None:
    """Both texts as they are: the words that they share by chance would tear them apart."""
    assert lines(excerpt(("Tell the sentiment of a tweet.", "You may use the provided example as a template."))) == [
        "a: [-Tell the sentiment of a tweet.] [+You may use the provided example as a template.]"
    ]


def test_at_most_three_lines() -> None:
    """Of one predictor three lines, of several one each, and how many are left out."""
    [long] = lines(excerpt(("Old words here. " * 20, "New text follows. " * 400)))
    assert long.startswith("a: [-Old words here.")
    assert len(long) < 410
    assert long.endswith("…]")
    found = excerpt(*[("Old.", f"New text follows, number {number}. " * 40) for number in range(5)], ("Same.", "Same."))
    assert found is not None
    assert [one.name for one in found.excerpts] == ["a", "b", "c"]
    assert found.left_out == 2
    assert max(map(len, lines(found))) < 150


def test_demos_alone() -> None:
    """The first demo of the winner, where the instructions are those of the start; nothing without a change."""
    demo = {"question": "2 + 2?", "answer": "4"}
    before, after = [Predictor("a", "Same.")], [Predictor("a", "Same.", (demo, demo))]
    assert lines(changed_words(program_diff(before, after))) == ["a, demo 1 of 2: [+question: 2 + 2?, answer: 4]"]
    assert changed_words(program_diff(after, after)) is None
    assert changed_words(program_diff([], after)) is None
