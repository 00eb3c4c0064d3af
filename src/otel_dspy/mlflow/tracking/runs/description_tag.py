"""Description of an optimization's run, the tag that MLflow shows as Markdown. A user's own is not changed."""

from __future__ import annotations

import hashlib
import pkgutil
from typing import TYPE_CHECKING, Final

from otel_dspy import semconv as sc
from otel_dspy.mlflow.mapping.naming import DESCRIPTION, MAX_TAG
from otel_dspy.mlflow.tracking.requests import database_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from otel_dspy.mlflow.tracking.store.store import Store

DESCRIBED: Final = "otel_dspy.description"
"""Tag with a digest of the description that was written here: one that differs is the user's."""
_STOPPED: Final = "otel_dspy.reporting.run_description:describe_stopped"
"""Loaded by name: that package reads MLflow by means of this one."""


def write_description(store: Store, run_id: str, text: str) -> None:
    """Write the run's description, unless the user has written one.

    Args:
        store: the tracking store.
        run_id: the run.
        text: Markdown.
    """
    _write(store, run_id, store.run_tags(run_id), text)


def describe_stopped_run(store: Store, tracking_uri: str, run_id: str) -> bool:
    """Write the final description of an optimization that was stopped, once its run and those of its trials have ended.

    A nested optimization without a description is left without one.

    Args:
        store: the tracking store.
        tracking_uri: its tracking URI.
        run_id: the run.

    Returns:
        Whether the run is one that has a description and a report.

    Raises:
        Exception: any exception of MLflow and its transports.
    """
    tags = store.run_tags(run_id)
    if sc.DSPY_OPTIMIZER_NAME not in tags or (sc.DSPY_COMPILE_PARENT_ID in tags and DESCRIBED not in tags):
        return False
    describe: Callable[[str, str], str | None] = pkgutil.resolve_name(_STOPPED)
    text = describe(tracking_uri, run_id)
    if text is not None:
        _write(store, run_id, tags, text)
    return text is not None


def description_tags(tags: Mapping[str, str], text: str) -> dict[str, str]:
    """Return the tags that describe a run; none if the user has written its description.

    Args:
        tags: the run's tags.
        text: Markdown.
    """
    present = tags.get(DESCRIPTION, "").strip()
    if present and tags.get(DESCRIBED) != _digest(present):
        return {}
    text = text[:MAX_TAG].strip()
    return {DESCRIPTION: text, DESCRIBED: _digest(text)}


def _write(store: Store, run_id: str, tags: Mapping[str, str], text: str) -> None:
    found = description_tags(tags, text)
    if not found:
        return
    try:
        store.log_run(run_id, {}, [], found)
    except Exception as error:
        plain = text.encode("ascii", "replace").decode()
        if plain == text or not database_errors.is_unstorable_value(error):
            raise
        # A MySQL whose character set is not utf8mb4 lacks most characters.
        store.log_run(run_id, {}, [], description_tags(tags, plain))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
