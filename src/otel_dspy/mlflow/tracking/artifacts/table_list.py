"""Table list of a run with several writers: no writer loses another's tables.

The UI reads one tag of the run that lists all its tables, and each writer has to write it as a whole. So each table
also has its own tag, written by one writer only. After writing the list a writer reads these tags and writes the list
again if one is missing: the last writer has seen all of them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.mlflow.tracking.artifacts.logged_artifacts_tag import LOGGED_ARTIFACTS_TAG, logged_artifacts_tag

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_dspy.mlflow.tracking.store.store import Store

PREFIX: Final = "otel_dspy.table."
"""Prefix of a run's tag, followed by the path of a table. Value: the key of the operation that wrote it."""

MAX_WRITES: Final = 20
"""Maximum number of times to write the list, whatever other writers change meanwhile."""


def free_path(tags: Mapping[str, str], path: str, key: str) -> str:
    """Return a table's path, changed if a table of another key has it.

    Args:
        tags: the run's tags.
        path: the path wanted, ending in `.json`.
        key: what identifies the table.
    """
    chosen, number = path, 1
    while tags.get(PREFIX + chosen, key) != key:
        number += 1
        chosen = path.replace(".json", f"_{number}.json")
    return chosen


def list_table(store: Callable[[], Store], run_id: str, tags: Mapping[str, str], path: str, key: str) -> None:
    """Add a written table to the list.

    Args:
        store: the tracking store.
        run_id: the run.
        tags: the run's tags as last read.
        path: the table's path.
        key: key of the operation that wrote it.
    """
    entry = {PREFIX + path: key}
    wanted, known = _tag({**tags, **entry}), tags.get(PREFIX + path) == key
    for _ in range(MAX_WRITES):
        if known and wanted == tags.get(LOGGED_ARTIFACTS_TAG):
            break
        known = True
        store().log_run(run_id, {}, [], {**entry, LOGGED_ARTIFACTS_TAG: wanted})
        tags = store().run_tags(run_id)
        wanted = _tag(tags)


def _tag(tags: Mapping[str, str]) -> str:
    return logged_artifacts_tag({name.removeprefix(PREFIX) for name in tags if name.startswith(PREFIX)} | _listed(tags))


def _listed(tags: Mapping[str, str]) -> set[str]:
    try:
        entries: list[dict[str, Any]] = json.loads(tags.get(LOGGED_ARTIFACTS_TAG, "[]"))
    except ValueError:
        return set()  # MLflow has truncated a value that is too long for a tag
    return {str(entry["path"]) for entry in entries}
