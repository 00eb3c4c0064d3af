"""The saved view of an experiment's trials, as MLflow's UI reads it."""

from __future__ import annotations

import base64
import json
import zlib

import pytest

from otel_dspy.mlflow.mapping.runs.saved_view_content import trials_link, trials_view

STATE = {
    "searchFilter": "tags.`dspy.trial.index` LIKE '%'",
    "orderByKey": "metrics.`score/full`",
    "orderByAsc": False,
    "selectedColumns": [
        "attributes.`Description`",
        "metrics.`score/full`",
        "metrics.`score/minibatch`",
        "metrics.`score/num_examples`",
        "metrics.`usage/cost`",
        "metrics.`usage/input_tokens`",
        "metrics.`usage/output_tokens`",
        "metrics.`score/errors`",
    ],
}


def test_the_view_as_tags() -> None:
    """One tag with the state twice, for MLflow with saved views and with shared views; one that it has been written."""
    tags = trials_view({}, 1_700_000_000_000)
    written = tags.pop("otel_dspy.saved_view")
    assert written == "otel-dspy-trials 2 1dff3ee50f8d1168"  # a view with other columns has another number
    view = json.loads(tags.pop("mlflow.sharedViewState.otel-dspy-trials"))
    assert tags == {}
    form, state = view.pop("state").split(";")
    assert (form, json.loads(zlib.decompress(base64.b64decode(state)))) == ("deflate", STATE)
    times = {"createdAt": 1_700_000_000_000, "updatedAt": 1_700_000_000_000}
    assert view == {"name": "Trials (otel-dspy)", **times, **STATE}


TAG, WRITTEN = "mlflow.sharedViewState.otel-dspy-trials", "otel_dspy.saved_view"


def _first_revision(**changes: object) -> dict[str, str]:
    """The tags that a version with fewer columns wrote, without a digest."""
    state = {"searchFilter": "", "orderByKey": None, "orderByAsc": True, "selectedColumns": ["metrics.`eval`"]}
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    view = {"name": "Trials (otel-dspy)", "createdAt": 7, "updatedAt": 7, "state": f"deflate;{packed}", **state}
    return {TAG: json.dumps(view | changes), WRITTEN: "otel-dspy-trials"}


def test_a_view_of_an_earlier_revision_is_replaced() -> None:
    """It keeps the date of its creation; what was written before is then up to date."""
    replaced = trials_view(_first_revision(), 9)
    new = trials_view({}, 9)
    assert json.loads(replaced[TAG]) == {**json.loads(new[TAG]), "createdAt": 7}
    assert trials_view(replaced, 10) == {}
    earlier = {TAG: replaced[TAG], WRITTEN: replaced[WRITTEN].replace(" 2 ", " 1 ")}
    assert json.loads(trials_view(earlier, 10)[TAG]) == {**json.loads(new[TAG]), "createdAt": 7, "updatedAt": 10}


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "Mine"},
        {"createdAt": 6},
        {"updatedAt": 8},
        {"selectedColumns": ["metrics.`mine`"]},
        {"orderByAsc": False},
        {"state": "deflate;no"},
        {"state": "deflate;bm8="},
        {"state": 1},
    ],
)
def test_a_changed_view_of_the_first_revision_is_kept(changes: dict[str, object]) -> None:
    """A user has changed it, or it cannot be read."""
    assert trials_view(_first_revision(**changes), 9) == {}


@pytest.mark.parametrize("view", ["mine", "[]", "{}"])
def test_another_text_is_kept(view: str) -> None:
    """Whatever it was before."""
    assert trials_view({**_first_revision(), TAG: view}, 9) == {}


def test_a_view_that_was_changed_since_is_kept() -> None:
    """The digest is that of the text as it was written."""
    written = trials_view({}, 9)
    earlier = written[WRITTEN].replace(" 2 ", " 1 ")
    assert trials_view({TAG: written[TAG] + " ", WRITTEN: earlier}, 10) == {}


@pytest.mark.parametrize("revision", ["2", "3", "new"])
def test_a_view_of_this_or_a_later_revision_is_kept(revision: str) -> None:
    """Two versions of otel-dspy on one experiment do not replace each other's."""
    written = trials_view({}, 9)
    tags = {TAG: written[TAG], WRITTEN: written[WRITTEN].replace(" 2 ", f" {revision} ")}
    assert trials_view(tags, 10) == {}


def test_a_deleted_view_is_not_written_again() -> None:
    """Whatever its revision."""
    assert trials_view({WRITTEN: "otel-dspy-trials"}, 9) == {}
    assert trials_view({WRITTEN: trials_view({}, 9)[WRITTEN]}, 9) == {}


def test_the_link_to_the_view() -> None:
    """It opens the table of runs with the view."""
    assert trials_link("7") == "#/experiments/7/runs?viewStateShareKey=otel-dspy-trials"
