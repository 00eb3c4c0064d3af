"""The saved view of an experiment's trials, as MLflow's UI reads it."""

from __future__ import annotations

import base64
import json
import zlib

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


def test_the_link_to_the_view() -> None:
    """It opens the table of runs with the view."""
    assert trials_link("7") == "#/experiments/7/runs?viewStateShareKey=otel-dspy-trials"
