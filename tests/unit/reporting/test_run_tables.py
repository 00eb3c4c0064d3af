from __future__ import annotations

from otel_dspy.mlflow.mapping.artifacts.tables import result_table
from otel_dspy.reporting.compile_result import Example, ExampleResult, Predictor
from otel_dspy.reporting.runs.programs import candidates, predictors
from otel_dspy.reporting.runs.result_tables import ExampleIndex, Table, table_rows
from otel_dspy.reporting.runs.summary_rows import best_trial, trial_rows, use
from otel_dspy.reporting.trials.trial_row import ModelUse

COLUMNS = ["index", "example_q", "example_a", "pred_a", "score"]
VALIDATION = [{"q": "one", "a": "1"}, {"q": "two", "a": "2"}, {"q": "one", "a": "1"}]


def table(*rows: list[object], full: bool = True, columns: list[str] = COLUMNS) -> Table:
    """Make the table of an artifact."""
    return Table(table_rows({"columns": columns, "data": [*rows]}), full)


def test_rows_are_identified_by_content() -> None:
    """A minibatch in another order has the examples' own ids, equal examples one each, others none."""
    minibatch = table(
        [0, "two", "2", "2", 1.0],
        [1, "one", "1", "7", 0],
        [2, "one", "1", "1", True],
        [3, "new", "9", "9", 1],
        full=False,
    )
    index = ExampleIndex(VALIDATION, [minibatch])
    assert index.examples() == (
        Example("0", {"q": "one"}, {"a": "1"}),
        Example("1", {"q": "two"}, {"a": "2"}),
        Example("2", {"q": "one"}, {"a": "1"}),
    )
    assert index.results(minibatch) == (
        ExampleResult("1", 1.0, {"a": "2"}),
        ExampleResult("0", 0.0, {"a": "7"}),
        ExampleResult("2", 1.0, {"a": "1"}),
    )


def test_without_a_recorded_validation_set() -> None:
    """The full evaluations have the examples; a minibatch is identified with them."""
    full = table([0, "one", "1", "1", 1], [1, "two", "2", "3", 0])
    minibatch = table([0, "two", "2", "2", 1], full=False)
    index = ExampleIndex([], [minibatch, full])
    assert [example.id for example in index.examples()] == ["0", "1"]
    assert [result.example for result in index.results(minibatch)] == ["1"]


def test_without_content_full_evaluations_are_identified_by_position() -> None:
    """Ids without texts; which examples a minibatch had is unknown."""
    columns = ["index", "score"]
    full, minibatch = table([0, 1.0], [1, 0.0], columns=columns), table([0, 1.0], full=False, columns=columns)
    index = ExampleIndex([], [full, minibatch])
    assert index.examples() == (Example("0"), Example("1"))
    assert index.results(full) == (ExampleResult("0", 1.0), ExampleResult("1", 0.0))
    assert index.results(minibatch) == ()


def test_without_content_minibatches_are_identified_by_digest() -> None:
    """In any order, equal examples one each, as the mapping writes their tables; an example of no full one is left out."""
    first, second, third = "9729aa89b94db2a3", "e0f2a3b49729aa89", "0123456789abcdef"

    def scored(*found: tuple[int, str, float], full: bool = True) -> Table:
        columns, data = result_table([{"index": index, "id": digest, "score": score} for index, digest, score in found])
        assert columns == ["index", "score", "example_id"]
        return table(*data, full=full, columns=columns)

    whole = scored((0, first, 1.0), (1, second, 0.0), (2, first, 0.0))
    minibatch = scored((2, first, 0.0), (1, second, 1.0), (0, first, 1.0), (3, third, 1.0), full=False)
    index = ExampleIndex([], [minibatch, whole])
    assert index.examples() == (Example("0"), Example("1"), Example("2"))
    assert index.results(whole) == (ExampleResult("0", 1.0), ExampleResult("1", 0.0), ExampleResult("2", 0.0))
    assert index.results(minibatch) == (ExampleResult("0", 0.0), ExampleResult("1", 1.0), ExampleResult("2", 1.0))


def test_a_field_named_id_is_content() -> None:
    """Fields have the names that the user gave them, `id` included."""
    rows = table([0, 7, "1", 1.0], full=False, columns=["index", "example_id", "pred_a", "score"])
    index = ExampleIndex([{"id": 6, "a": None}, {"id": 7, "a": None}], [rows])
    assert [result.example for result in index.results(rows)] == ["1"]


def test_the_digest_of_an_example_is_no_content() -> None:
    """Nor is a field `id` with such values, in the tables and in the validation set: a field named so is kept there."""
    digests = ("9729aa89b94db2a3", "e0f2a3b49729aa89")
    columns = ["index", "example_id", "example_q", "example_a", "pred_a", "score"]
    rows = table([1, digests[1], "two", "2", "2", 1.0], full=False, columns=columns)
    for validation in (VALIDATION, [{"id": one, **row} for one, row in zip(digests, VALIDATION, strict=False)]):
        index = ExampleIndex(validation, [rows])
        assert [result.example for result in index.results(rows)] == ["1"]
    whole = table([0, digests[0], "one", "1", "1", 1.0], columns=columns)
    assert ExampleIndex([], [whole]).examples() == (Example("0", {"q": "one"}, {"a": "1"}),)


def test_images_are_identified_by_position() -> None:
    """Each table has files of its own for its images: a full evaluation keeps the order of the validation set."""
    columns = ["index", "example_picture", "score"]
    full = table([0, {"filepath": "t/0.png"}, 1.0], [1, {"filepath": "t/1.png"}, 0.0], columns=columns)
    validation = [{"picture": {"filepath": "v/0.png"}}, {"picture": {"filepath": "v/1.png"}}]
    index = ExampleIndex(validation, [full])
    assert [(result.example, result.score) for result in index.results(full)] == [("0", 1.0), ("1", 0.0)]
    minibatch = table([0, {"filepath": "m/1.png"}, 1.0], full=False, columns=columns)
    assert index.results(minibatch) == ()


def test_images_of_minibatches_are_identified_by_digest() -> None:
    """The digest is that of the image's content, whatever its file is."""
    columns = ["index", "example_picture", "score", "example_id"]
    digests = ("9729aa89b94db2a3", "e0f2a3b49729aa89")
    rows: list[list[object]] = [
        [number, {"filepath": f"t/{number}.png"}, 1.0, digest] for number, digest in enumerate(digests)
    ]
    full = table(*rows, columns=columns)
    minibatch = table([0, {"filepath": "m/0.png"}, 0.0, digests[1]], full=False, columns=columns)
    index = ExampleIndex(
        [{"picture": {"filepath": "v/0.png"}}, {"picture": {"filepath": "v/1.png"}}], [full, minibatch]
    )
    assert index.results(minibatch) == (ExampleResult("1", 0.0),)


def test_errors_and_feedback() -> None:
    """A failed example has its error and score 0; feedback is kept."""
    columns = [*COLUMNS, "error", "error_message", "feedback"]
    rows = table(
        [0, "one", "1", None, None, "ValueError", "bad", None], [1, "two", "2", "3", 0.5, None, None, "Nearly."],
        columns=columns,
    )  # fmt: skip
    index = ExampleIndex(VALIDATION, [rows])
    assert index.results(rows) == (
        ExampleResult("0", 0.0, {}, "ValueError: bad"),
        ExampleResult("1", 0.5, {"a": "3"}, None, "Nearly."),
    )


def test_an_example_that_was_interrupted_has_no_result() -> None:
    """What stopped the optimization is no failure of the example in which it was raised."""
    columns = [*COLUMNS, "error", "error_message"]
    rows = table(
        [0, "one", "1", None, None, "otel_dspy.budget.BudgetExceeded", "60 of 60 calls"],
        [1, "two", "2", None, None, "KeyboardInterrupt", None],
        columns=columns,
    )
    assert ExampleIndex(VALIDATION, [rows]).results(rows) == ()


def test_an_example_that_scored_nan_has_no_result() -> None:
    """JSON has null for it, which is not a score of 0."""
    rows = table([0, "one", "1", "1", None], [1, "two", "2", "2", 0.0])
    assert ExampleIndex(VALIDATION, [rows]).results(rows) == (ExampleResult("1", 0.0, {"a": "2"}),)


def test_what_is_no_table() -> None:
    """Missing and malformed artifacts have no rows."""
    malformed: tuple[object, ...] = (None, [], "text", {"columns": 1, "data": []}, {"columns": ["a"]})
    for found in malformed:
        assert table_rows(found) == []


def test_predictors_of_a_program() -> None:
    """Nested predictors by path, the versions of the libraries left out; a plain candidate's texts by name."""
    one = {"signature": {"instructions": "Answer."}, "demos": [{"q": "1"}]}
    state = {"outer": {"inner": one}, "metadata": {"dependency_versions": {"dspy": "3"}}}
    assert predictors(state) == (Predictor("outer.inner", "Answer.", ({"q": "1"},)),)
    assert predictors(one) == (Predictor("self", "Answer.", ({"q": "1"},)),)
    assert predictors({"prompt": "Answer."}) == (Predictor("prompt", "Answer."),)
    assert predictors(None) == ()


def test_candidates() -> None:
    """Texts of instructions and sizes of demo sets, by predictor."""
    found = candidates({"0": ["a", "b"]}, {"0": [[], [{"q": 1}, {"q": 2}]]})
    assert (found.instructions, found.demos) == ({"0": ("a", "b")}, {"0": (0, 2)})
    assert candidates(None, None).instructions == {}
    # Earlier versions wrote the indexes that trials name; now it is the predictors' paths, in the same order.
    named = candidates({"first": ["a"], "second.predict": ["b"]}, {"second.predict": [[{"q": 1}]]})
    assert named.instructions == {"0": ("a",), "1": ("b",)}
    assert candidates({"1": ["b"]}, None).instructions == {"1": ("b",)}


def test_the_summary_becomes_rows() -> None:
    """Only the optimizer's choice is the best; the best score so far counts full scores; usage adds up tokens."""
    usage = {"input_tokens": 10, "output_tokens": 2, "lm_calls": 3, "cost": None, "unpriced_calls": 3}
    summary = {
        "best_trial": 2,
        "score_unit": "percent",
        "trials": [
            {"index": 2, "scope": "full", "score": 60.0, "state": "complete", "usage": usage, "duration": 1.5},
            {"index": 0, "scope": "full", "score": 50.0, "state": "complete", "kind": "baseline"},
            {"index": 1, "scope": "minibatch", "score": 80.0, "state": "complete", "parameters": {"seed": 1}},
        ],
    }
    rows = trial_rows(summary)
    assert [(row.index, row.is_best, row.best_score, row.unit) for row in rows] == [
        (0, False, 50.0, "percent"),
        (1, False, 50.0, "percent"),
        (2, True, 60.0, "percent"),
    ]
    assert (rows[2].input_tokens, rows[2].output_tokens, rows[2].lm_calls, rows[2].seconds) == (10, 2, 3, 1.5)
    assert use(usage) == ModelUse(3, 12, None, 3)


def test_a_trial_in_which_every_example_failed_wins_nothing() -> None:
    """Though the optimizer returned its program; the next trial with the same score has not failed."""
    trials = [{"index": 0, "score": 0.0, "failure": "ValueError: no"}, {"index": 1, "score": 0.0}]
    assert [best_trial({"best_trial": index, "trials": trials}) for index in (0, 1, None)] == [None, 1, None]
    assert [row.is_best for row in trial_rows({"best_trial": 0, "trials": trials})] == [False, False]


def test_stored_scores_are_identified_by_position() -> None:
    """They have no predictions; scores of a minibatch, of other examples and without a number are left out."""
    rows = [
        {"on": "validation", "id": 0, "before": None, "score": 1.0},
        {"on": "validation", "id": 2, "before": None, "score": 0.5},
        {"on": "validation", "id": 1, "before": None, "score": None},
        {"on": "validation", "id": 3, "before": None, "score": 1.0},
        {"on": "minibatch", "id": 1, "before": 0.0, "score": 1.0},
    ]
    assert ExampleIndex(VALIDATION, []).stored_results(rows) == (ExampleResult("0", 1.0), ExampleResult("2", 0.5))
