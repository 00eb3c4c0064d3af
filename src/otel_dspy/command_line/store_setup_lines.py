"""Removal of the lines that MLflow logs while it creates or migrates a store, for processes of the command line."""

from __future__ import annotations

import logging
from typing import Final

_LOGGERS: Final = ("mlflow.store.db.utils", "alembic.runtime.migration", "alembic.runtime.plugins")
"""Loggers that log at INFO level while a database is created or migrated without an error."""


def hide_store_setup_lines() -> None:
    """Drop what these loggers log below WARNING, for the rest of the process.

    Filters, because MLflow sets the levels of its loggers and of Alembic's when it is imported, which is later.
    """
    for name in _LOGGERS:
        logging.getLogger(name).addFilter(_is_warning)


def _is_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING
