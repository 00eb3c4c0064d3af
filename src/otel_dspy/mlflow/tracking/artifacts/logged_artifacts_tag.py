"""MLflow's tag `mlflow.loggedArtifacts`: the tables of a run that the UI shows."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from otel_dspy.mlflow.mapping.naming import MAX_TAG

if TYPE_CHECKING:
    from collections.abc import Iterable


_NUMBERED = re.compile(r"_\d+\.json$")
LOGGED_ARTIFACTS_TAG = "mlflow.loggedArtifacts"
"""Tag by which the UI recognizes an artifact as a table."""


def logged_artifacts_tag(paths: Iterable[str]) -> str:
    """Return the tag's value for these tables, or for as many as fit: numbered ones are omitted first."""
    chosen = sorted(paths, key=lambda path: (_NUMBERED.search(path) is not None, path))
    while True:
        tag = json.dumps([{"path": path, "type": "table"} for path in chosen])
        if len(tag) <= MAX_TAG:
            return tag
        chosen.pop()
