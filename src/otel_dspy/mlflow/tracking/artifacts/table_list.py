"""MLflow's tag `mlflow.loggedArtifacts`, which lists the tables of a run that the UI shows.

Each writer has to write the tag as a whole. So that no writer loses another's tables, each table of a run with several
writers also has its own tag, written by one writer only. After writing the list a writer reads these tags and writes
the list again if one is missing: the last writer has seen all of them.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.mlflow.mapping.naming import MAX_TAG

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from otel_dspy.mlflow.tracking.store.store import Store

LOGGED_ARTIFACTS_TAG: Final = "mlflow.loggedArtifacts"
"""Tag by which the UI recognizes an artifact as a table."""
PREFIX: Final = "otel_dspy.table."
"""Prefix of a run's tag, followed by the path of a table. Value: the key of the operation that wrote it."""
MAX_WRITES: Final = 20
"""Maximum number of times to write the list, whatever other writers change meanwhile."""
_NUMBERED: Final = re.compile(r"_\d+\.json$")


def logged_artifacts_tag(paths: Iterable[str]) -> str:
    """Return the tag's value for these tables, or for as many as fit: numbered ones are omitted first."""
    chosen = sorted(paths, key=lambda path: (_NUMBERED.search(path) is not None, path))
    while True:
        tag = json.dumps([{"path": path, "type": "table"} for path in chosen])
        if len(tag) <= MAX_TAG:
            return tag
        chosen.pop()


def free_path(known: Mapping[str, str], path: str, key: str) -> str:
    """Return a table's path, with a number if a table of another key has it.

    Args:
        known: keys of the run's tables, by path.
        path: the path wanted, ending in `.json`.
        key: what identifies the table.
    """
    chosen, number = path, 1
    while known.get(chosen, key) != key:
        number += 1
        chosen = path.replace(".json", f"_{number}.json")
    return chosen


def tables_of(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the keys of the tables that have a tag of their own, by path."""
    return {name.removeprefix(PREFIX): key for name, key in tags.items() if name.startswith(PREFIX)}


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
    return logged_artifacts_tag(tables_of(tags).keys() | _listed(tags))


def _listed(tags: Mapping[str, str]) -> set[str]:
    try:
        entries: list[dict[str, Any]] = json.loads(tags.get(LOGGED_ARTIFACTS_TAG, "[]"))
    except ValueError:
        return set()  # MLflow has truncated a value that is too long for a tag
    return {str(entry["path"]) for entry in entries}
