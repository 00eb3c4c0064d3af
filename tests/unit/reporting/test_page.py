from __future__ import annotations

import random
import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final

import pytest
from typing_extensions import override

from otel_dspy.reporting.compile_result import CallUse, Example, Phase, Predictor
from otel_dspy.reporting.report import Report
from tests.unit.reporting.optimizations import optimization, trial

if TYPE_CHECKING:
    from pathlib import Path

    from otel_dspy.reporting.compile_result import Compile

MARKUP: Final = '<b class="planted">bold</b> & "quoted" <img src=x>'
VOID: Final = frozenset({"meta", "br", "path", "circle", "rect", "img", "input", "wbr"})


class Elements(HTMLParser):
    """Collects elements, attributes and text; checks that elements are nested."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    @override
    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def parsed(page: str) -> Elements:
    """Parse a whole page."""
    found = Elements()
    found.feed(page)
    found.close()
    assert found.open == []
    return found


def shown_text(report: Report) -> str:
    """Return the text of the page, whitespace as single spaces."""
    return " ".join("".join(parsed(report.html).texts).split())


def large(trials: int, examples: int) -> Compile:
    """Make an optimization with random results and tweets of 120 characters."""
    draw = random.Random(1)  # noqa: S311 - a repeatable sample
    texts = ["".join(draw.choices("abcdefghij ", k=120)) for _ in range(examples)]
    found = [
        trial(
            number,
            "".join(draw.choices("10x", weights=[10, 10, 1], k=examples)),
            answers=[draw.choice(["yes", "no"]) for _ in range(examples)],
            parameters={"0_predictor_instruction": number % 10, "0_predictor_demos": number // 10},
            program=(Predictor("classify", f"Think, then answer. {number} " * 50),),
            started=number * 3.0,
            task=CallUse(10, 0, 1000, 100),
        )
        for number in range(trials)
    ]
    whole = optimization(
        *found,
        best=trials - 1,
        labels=("yes", "no") * (examples // 2),
        initial_program=(Predictor("classify", "Answer."),),
        phases=tuple(Phase("propose", number * 3.0, 1.0) for number in range(trials)),
        best_program=(Predictor("classify", "Think, then answer. " * 50, ({"question": "q", "answer": "yes"},) * 4),),
    )
    return with_texts(whole, texts)


def with_texts(found: Compile, texts: list[str]) -> Compile:
    """Replace the inputs of the examples."""
    examples = tuple(
        Example(example.id, {"tweet": text}, example.labels)
        for example, text in zip(found.examples, texts, strict=True)
    )
    return replace(found, examples=examples)


def test_markup_in_content_stays_text() -> None:
    """Inputs, answers, instructions, demos, parameters and errors are escaped, wherever they are shown."""
    labels = (MARKUP, "no", MARKUP, "no")
    found = optimization(
        trial(0, "0x00", answers=[MARKUP] * 4, label=MARKUP),
        trial(1, "1100", answers=[MARKUP] * 4, parameters={MARKUP: MARKUP}),
        trial(2, "", state="rejected", reason=MARKUP, parameters={"parents": [0]}, error=MARKUP),
        best=1,
        labels=labels,
        program=MARKUP,
        parameters={MARKUP: MARKUP},
        initial_program=(Predictor(MARKUP, MARKUP),),
        best_program=(Predictor(MARKUP, MARKUP + " more", ({"q": MARKUP},)),),
    )
    found = with_texts(found, [MARKUP] * 4)
    page = parsed(Report(found).html)
    assert not [tag for tag, attributes in page.attributes if tag == "img" or attributes.get("class") == "planted"]
    assert "script" not in {tag for tag, _ in page.attributes}
    assert sum(MARKUP[:10] in text for text in page.texts) > 8


def test_the_page_loads_nothing() -> None:
    """No element refers to anything outside of the page, and a policy in it forbids all of that."""
    page = parsed(Report(large(5, 20)).html)
    sources = [
        value
        for _, attributes in page.attributes
        for name, value in attributes.items()
        if name in {"src", "srcset", "href", "xlink:href", "data", "action", "poster"} and value is not None
    ]
    assert sources
    assert [value for value in sources if not value.startswith("#")] == []
    html = Report(large(5, 20)).html
    assert re.findall(r"url\(|@import|https?://", html) == []
    [policy] = [
        found["content"] for _, found in page.attributes if found.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_links_have_their_targets_and_ids_are_unique() -> None:
    """Each link of the page leads to a section."""
    page = parsed(Report(large(5, 20)).html)
    ids = [found["id"] for _, found in page.attributes if "id" in found]
    assert len(ids) == len(set(ids))
    links = {str(found["href"])[1:] for tag, found in page.attributes if tag == "a"}
    assert {"verdict", "scores", "flips", "why", "choices", "cost", "setup"} <= links
    assert links <= set(ids)
    labels = {value for _, found in page.attributes if (value := found.get("aria-labelledby")) is not None}
    assert labels <= set(ids)


@pytest.mark.parametrize(("trials", "examples", "limit"), [(20, 200, 150_000), (100, 1_000, 1_000_000)])
def test_the_size_of_the_page(trials: int, examples: int, limit: int) -> None:
    """At most 150 KB for 20 trials on 200 examples, 1 MB for 100 on 1,000, with a line on what is left out."""
    html = Report(large(trials, examples)).html
    assert len(html.encode()) <= limit
    left_out = re.search(r"(\d+) examples of (\d+) left out", html)
    assert (left_out is None) == (examples <= 200)
    if left_out is not None:
        assert left_out.groups() == ("800", "1000")


def test_long_prompts_stay_within_the_size() -> None:
    """Prompts with demos of a megabyte are cut, with the number of characters that are left out."""
    found = large(20, 200)
    demos = tuple({"question": "q", "answer": f"answer {number} " * 100} for number in range(900))
    html = Report(replace(found, best_program=(Predictor("classify", "Think. " * 50, demos),))).html
    assert len(html.encode()) <= 150_000
    assert re.search(r"9\d\d,\d{3} characters left out", html)


def test_without_content_there_are_ids_and_no_texts() -> None:
    """The page shows that content is missing, and names examples by their ids."""
    found = optimization(trial(0, "0011"), trial(1, "1110"), best=1, labels=("yes",) * 4)
    bare = replace(found, examples=tuple(Example(example.id) for example in found.examples))
    html = Report(bare).html
    assert "The content of the examples is not recorded" in html
    assert "Question" not in html
    assert "example 3" in html


def test_the_smallest_optimizations() -> None:
    """No trial, one without results, and one that failed have a page too."""
    for found in (
        optimization(),
        optimization(trial(0, ""), best=0),
        optimization(error="ValueError: no training set"),
        optimization(trial(0, "1"), best=0, labels=("yes",)),
    ):
        assert parsed(Report(found).html).texts


def test_the_page_has_the_figures_of_the_verdict() -> None:
    """Headline, scores and counts of the page are those of the record."""
    report = Report(optimization(trial(0, "0011"), trial(1, "1110"), best=1, labels=("yes", "no") * 2))
    text = shown_text(report)
    assert report.verdict.headline in text
    assert "▲ 2 ▼ 1" in text
    assert (
        "▲ improved: 0, 1; ▼ got worse: 3 (winner against start); ∅ never solved by the trials that scored them: none; of 4 scored examples"
        in text
    )
    assert "▲ 2 improved, ▼ 1 got worse" in text
    assert "Improved: 0, 1. Got worse: 3." in text


def test_never_solved_counts_the_trials_that_scored_an_example() -> None:
    """One that a minibatch alone got wrong is such an example, one that no trial scored is not."""
    found = optimization(trial(0, "0.1."), trial(1, "10.."), trial(2, "1.1."), best=2, labels=("yes", "no") * 2)
    text = shown_text(Report(found))
    assert "∅ never solved by the trials that scored them: example 1; of 3 scored examples" in text
    assert "∅ 1 never solved; 1 right in each trial that scored them, 0 other." in text


def test_an_optimization_that_changed_nothing_names_no_examples() -> None:
    """Neither better nor worse, and the first of many."""
    same = shown_text(Report(optimization(trial(0, "0011"), trial(1, "0011"), best=1, labels=("yes", "no") * 2)))
    assert "Improved:" not in same
    assert "Got worse:" not in same
    many = shown_text(Report(optimization(trial(0, "0" * 60), trial(1, "1" * 60), best=1, labels=("yes", "no") * 30)))
    assert "38, 39, …A row" in many
    assert "▲ improved: none; ▼ got worse: none (winner" in same
    assert "▲ improved: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, …; ▼ got worse: none (winner" in many


def test_a_sign_stays_with_its_words() -> None:
    """No line ends between them, in the boxes as above the matrix."""
    html = Report(optimization(trial(0, "0011"), trial(1, "1110"), best=1, labels=("yes", "no") * 2)).html
    assert re.findall(r'<span class="whole">([^<]+)</span>', html) == [
        "▲ 2", "▼ 1", "∅ 0", "▲ improved:", "▼ got worse:", "∅ never solved", "▲ 2 improved,", "▼ 1 got worse",
        "∅ 0 never solved;",
    ]  # fmt: skip
    assert ".whole{white-space:nowrap}" in html


def test_the_changed_words_are_in_the_head_of_the_page() -> None:
    """With the predictor's name; not where programs are not recorded."""
    found = optimization(
        trial(0, "01"),
        trial(1, "11"),
        best=1,
        labels=("yes", "no"),
        initial_program=(Predictor("classify", "Answer the question."),),
        best_program=(Predictor("classify", "Answer the short question."),),
    )
    head = Report(found).html.partition("</header>")[0]
    assert '<p class="words"><b>classify:</b> Answer the <ins>short </ins>question.</p>' in head
    assert 'class="words"' not in Report(replace(found, initial_program=(), best_program=())).html


def test_a_replaced_word_is_set_apart_from_the_new_one() -> None:
    """In the head and below: "0" and "12" beside one another would read as "012"."""
    found = optimization(
        trial(0, "01"),
        trial(1, "11"),
        best=1,
        labels=("yes", "no"),
        initial_program=(Predictor("classify", "It knows 0 of them."),),
        best_program=(Predictor("classify", "It knows 12 of them."),),
    )
    html = Report(found).html
    assert html.count('It knows <del>0</del><ins class="beside">12</ins> of them.') == 2
    assert ".beside{margin-left:.25em}" in html


def test_the_legend_of_the_scores_has_what_occurs() -> None:
    """Minibatches and trials without a score are explained where there are some."""
    whole = shown_text(Report(optimization(trial(0, "01"), labels=("yes", "no"))))
    assert "● whole validation set; a ring marks the winner. Bars" in whole
    assert "inibatch" not in whole
    all_kinds = shown_text(Report(optimization(trial(0, "01"), trial(1, "0."), trial(2, ""), labels=("yes", "no"))))
    assert (
        "● whole validation set, ○ minibatch, \N{MULTIPLICATION SIGN} no score; a ring marks the winner." in all_kinds
    )
    assert "Minibatch scores come from other examples each time and do not compare." in all_kinds


def test_an_optimization_without_trials_has_no_table_of_them() -> None:
    """The optimizer scores no candidates: neither page nor text have an empty table, nor a link to it."""
    report = Report(optimization(optimizer="BootstrapFewShot", scored_on="training", labels=("yes", "no")))
    assert 'id="scores"' not in report.html
    assert 'href="#scores"' not in report.html
    assert "The optimizer scored no candidates." in shown_text(report)
    assert "tried" not in str(report)
    assert "Data: 2 training examples." in shown_text(report)


def test_numbers_of_trials_and_of_candidates() -> None:
    """Where GEPA's candidates are named beside trials, one sentence states which is which; else there is none."""
    sentence = (
        "A trial is an attempt; candidates, which GEPA numbers itself, are the programs it kept (0 is the start)."
    )
    seed, proposal = {"iteration": 0, "candidate": 0}, {"iteration": 1, "parents": [0], "components": ["left"]}
    found = optimization(
        trial(0, "01", parameters=seed), trial(1, "", state="rejected", parameters=proposal), labels=("yes", "no")
    )
    for text in (shown_text(Report(found)), " ".join(str(Report(found)).split()), Report(found).description):
        assert text.count(sentence) == 1
    rules = optimization(trial(0, "01", parameters={"candidate": 0}), labels=("yes", "no"))
    assert sentence not in shown_text(Report(rules))


def test_in_a_notebook_the_page_is_framed(tmp_path: Path) -> None:
    """Its style does not reach the notebook; saving writes the same page."""
    report = Report(optimization(trial(0, "01"), best=0, labels=("yes", "no")))
    [(tag, attributes)] = parsed(report._repr_html_()).attributes
    assert tag == "iframe"
    assert attributes["srcdoc"] == report.html
    assert report.save(tmp_path / "report.html").read_text(encoding="utf-8") == report.html


def test_in_ipython_the_text_is_printed() -> None:
    """A terminal shows no HTML, and the data of a report fill several screens."""
    report = Report(optimization(trial(0, "01"), best=0, labels=("yes", "no")))
    pretty = pytest.importorskip("IPython.lib.pretty").pretty
    assert pretty(report) == report.text


@pytest.mark.parametrize(
    ("unit", "scale", "shown", "hidden"),
    [
        (
            "percent",
            100,
            [
                "95 % interval of the mean 21.5 % to 78.5 %",
                "mean difference +25.0 points (95 % interval ",
                "75.0 % <small>n = 8",
                "+25.0</td>",
            ],
            ["0.24 to", "+0.25"],
        ),
        (
            "ratio",
            1,
            [
                "95 % interval of the mean 0.215 to 0.785",
                "mean difference +0.250 (95 % interval ",
                "0.750 <small>n = 8",
                "+0.250</td>",
            ],
            [" points", "75.0 %"],
        ),
    ],
)
def test_figures_are_in_the_unit_of_the_score(unit: str, scale: int, shown: list[str], hidden: list[str]) -> None:
    """Intervals, differences, means of slices and choices, and gains are shown as the scores beside them."""
    start = trial(0, "00110011", score=0.5 * scale, unit=unit, program=(Predictor("a", "Answer."),))
    winner = trial(
        1,
        "11111100",
        score=0.75 * scale,
        unit=unit,
        parameters={"0_predictor_instruction": 1, "0_predictor_demos": 0},
        program=(Predictor("a", "Answer briefly."),),
    )
    found = optimization(
        start, winner, best=1, labels=("yes", "no") * 4, unit=unit, initial_program=start.program,
        best_program=winner.program,
    )  # fmt: skip
    html = Report(found).html.replace("&#160;", " ")
    assert [text for text in shown if text not in html] == []
    assert [text for text in hidden if text in html] == []


def test_a_call_sends_the_prompt_of_one_predictor() -> None:
    """The characters are those of all predictors; with one predictor each call sends them all."""
    one = (Predictor("a", "123456789"),)
    both = (*one, Predictor("b", "123456789"))
    run = optimization(trial(0, "01"), best=0, labels=("yes", "no"))
    html = Report(replace(run, initial_program=one, best_program=one)).html
    assert "have 9 characters, 9 at the start: each model call sends them." in html
    html = Report(replace(run, initial_program=both, best_program=both)).html
    assert (
        "have 18 characters over its 2 predictors, 18 at the start: each model call sends those of its predictor alone."
        in html
    )


def test_feedback_is_no_answer() -> None:
    """The metric's feedback below an answer is named as such."""
    start, winner = trial(0, "00"), trial(1, "11")
    told = tuple(replace(result, feedback="None: right") for result in winner.results)
    html = Report(optimization(start, replace(winner, results=told), best=1, labels=("yes", "no"))).html
    assert "<small>feedback: None: right</small>" in html
    assert ">winner, and the metric&#39;s feedback</th>" in html
