"""Saved view of an experiment's trials: columns for choice, score, number of examples, cost and tokens.

A saved view is a tag of the experiment with the state of the table's page (MLflow 3.17). Earlier versions of MLflow
know shared views: the tag is then the state itself, so the state is in the tag twice.
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import TYPE_CHECKING, Final

from otel_dspy import semconv as sc
from otel_dspy.mlflow.records.metric_names import ERRORS, FULL_SCORE, MINIBATCH_SCORE, NUM_EXAMPLES, USAGE

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY: Final = "otel-dspy-trials"
"""Identifies the view in links: the parameter `viewStateShareKey` of the page of runs."""
TAG: Final = f"mlflow.sharedViewState.{KEY}"
WRITTEN: Final = "otel_dspy.saved_view"
"""Tag of an experiment that has got the view: one that the user deletes or changes is not written again."""
NAME: Final = "Trials (otel-dspy)"
_STATE: Final[Mapping[str, object]] = {
    "searchFilter": f"tags.`{sc.DSPY_TRIAL_INDEX}` LIKE '%'",
    "orderByKey": f"metrics.`{FULL_SCORE}`",
    "orderByAsc": False,
    "selectedColumns": [
        "attributes.`Description`",
        f"metrics.`{FULL_SCORE}`",
        f"metrics.`{MINIBATCH_SCORE}`",
        f"metrics.`{NUM_EXAMPLES}`",
        f"metrics.`{USAGE}cost`",
        f"metrics.`{USAGE}input_tokens`",
        f"metrics.`{USAGE}output_tokens`",
        f"metrics.`{ERRORS}`",
    ],
}
"""The description has the choice; a duration is always shown."""


def trials_view(time_ms: int) -> dict[str, str]:
    """Return the view as tags of an experiment.

    Args:
        time_ms: when it is created, in Unix milliseconds.
    """
    state = base64.b64encode(zlib.compress(json.dumps(_STATE).encode())).decode()
    view = {"name": NAME, "createdAt": time_ms, "updatedAt": time_ms, "state": f"deflate;{state}"}
    return {TAG: json.dumps({**view, **_STATE}), WRITTEN: KEY}


def trials_link(experiment_id: str) -> str:
    """Return the address of the view in MLflow's UI, relative to any of its pages."""
    return f"#/experiments/{experiment_id}/runs?viewStateShareKey={KEY}"
