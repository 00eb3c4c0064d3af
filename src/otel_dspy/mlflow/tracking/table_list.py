"""The tables of a run that several writers list: none loses what another has listed.

The UI reads one tag of the run with all its tables, which whoever adds one has to write whole. So each table has a tag
of its own besides, which nobody else writes. Who has written the list looks at these afterwards, and writes it again if
one is missing in it: the last to write has seen all.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.mlflow.tracking.store import TABLES_TAG, tables_tag

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_dspy.mlflow.tracking.store import Store

PREFIX: Final = "otel_dspy.table."
"""Tag of a run: this and the path of a table; the key of the operation that wrote it."""

MAX_WRITES: Final = 20
"""How often the list is written at most, whatever others make of it meanwhile."""


def free_path(tags: Mapping[str, str], path: str, key: str) -> str:
    """Where a table goes: its own path, unless a table of another key is there."""
    chosen, number = path, 1
    while tags.get(PREFIX + chosen, key) != key:
        number += 1
        chosen = path.replace(".json", f"_{number}.json")
    return chosen


def list_table(store: Callable[[], Store], run_id: str, tags: Mapping[str, str], path: str, key: str) -> None:
    """List a table that stands.

    Args:
        store: where the run is.
        run_id: the run.
        tags: those of the run, as they were a moment ago.
        path: the table's.
        key: of the operation that wrote it.
    """
    told = {PREFIX + path: key}
    wanted, known = _tag({**tags, **told}), tags.get(PREFIX + path) == key
    for _ in range(MAX_WRITES):
        if known and wanted == tags.get(TABLES_TAG):
            break
        known = True
        store().log_run(run_id, {}, [], {**told, TABLES_TAG: wanted})
        tags = store().run_tags(run_id)
        wanted = _tag(tags)


def _tag(tags: Mapping[str, str]) -> str:
    return tables_tag({name.removeprefix(PREFIX) for name in tags if name.startswith(PREFIX)} | _listed(tags))


def _listed(tags: Mapping[str, str]) -> set[str]:
    try:
        entries: list[dict[str, Any]] = json.loads(tags.get(TABLES_TAG, "[]"))
    except ValueError:
        return set()  # MLflow has cut what was too long for a tag
    return {str(entry["path"]) for entry in entries}
