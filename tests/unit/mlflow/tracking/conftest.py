"""An empty store, and what is executed on its database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.blank_store import blank_store
from tests.support.database_statements import database_statements

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def uri(tmp_path: Path) -> str:
    """An empty store."""
    return blank_store(tmp_path)


@pytest.fixture
def statements(uri: str) -> Iterator[list[str]]:
    """What is executed on the database, with COMMIT for each transaction that has written."""
    with database_statements(uri) as seen:
        yield seen
