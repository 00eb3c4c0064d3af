"""Saved view of an experiment's trials: columns for choice, score, number of examples, cost and tokens.

A saved view is a tag of the experiment with the state of the table's page (MLflow 3.17). Earlier versions of MLflow
know shared views: the tag is then the state itself, so the state is in the tag twice.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from typing import TYPE_CHECKING, Any, Final, cast

from otel_dspy import semconv as sc
from otel_dspy.mlflow.records.metric_names import ERRORS, FULL_SCORE, MINIBATCH_SCORE, NUM_EXAMPLES, USAGE
from otel_dspy.serialization.json_text import parse_json

if TYPE_CHECKING:
    from collections.abc import Mapping

KEY: Final = "otel-dspy-trials"
"""Identifies the view in links: the parameter `viewStateShareKey` of the page of runs."""
TAG: Final = f"mlflow.sharedViewState.{KEY}"
WRITTEN: Final = "otel_dspy.saved_view"
"""Tag of an experiment that has got the view, with its revision and digest: one that the user deletes or changes is not
written again.
"""
REVISION: Final = 2
"""Number of the state below; increase it with each change, so that the views of earlier versions are replaced."""
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


def trials_view(present: Mapping[str, str], time_ms: int) -> dict[str, str]:
    """Return the view as tags of an experiment; none where it has the view, or a user has deleted or changed it.

    Args:
        present: the experiment's tags.
        time_ms: when it is written, in Unix milliseconds.
    """
    created_ms: object = time_ms
    if WRITTEN in present:
        former = present.get(TAG)
        if former is None or not _is_outdated(present[WRITTEN], former):
            return {}
        created_ms = _parsed(former).get("createdAt", time_ms)
    state = base64.b64encode(zlib.compress(json.dumps(_STATE).encode())).decode()
    view = {"name": NAME, "createdAt": created_ms, "updatedAt": time_ms, "state": f"deflate;{state}"}
    text = json.dumps({**view, **_STATE})
    return {TAG: text, WRITTEN: f"{KEY} {REVISION} {_digest(text)}"}


def _is_outdated(written: str, view: str) -> bool:
    """Return whether a view is of an earlier revision, and as it was written."""
    match written.split():
        case [_, revision, digest]:
            return revision.isdecimal() and int(revision) < REVISION and digest == _digest(view)
        case _:
            return _is_first_revision(_parsed(view))


def _is_first_revision(view: Mapping[str, Any]) -> bool:
    """Return whether a view is as the first revision was written, without a digest: its state twice, never updated."""
    others = {name: value for name, value in view.items() if name not in {"name", "createdAt", "updatedAt", "state"}}
    try:
        state = json.loads(zlib.decompress(base64.b64decode(view["state"].removeprefix("deflate;"))))
    except (AttributeError, KeyError, ValueError, zlib.error):
        return False
    return view.get("name") == NAME and view.get("createdAt") == view.get("updatedAt") and state == others


def _parsed(text: str) -> Mapping[str, Any]:
    found = parse_json(text)
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def trials_link(experiment_id: str) -> str:
    """Return the address of the view in MLflow's UI, relative to any of its pages."""
    return f"#/experiments/{experiment_id}/runs?viewStateShareKey={KEY}"
