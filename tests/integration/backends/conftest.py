"""Session-scoped backends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.phoenix_server import running_phoenix

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.support.phoenix_server import Phoenix


@pytest.fixture(scope="session")
def phoenix(tmp_path_factory: pytest.TempPathFactory) -> Generator[Phoenix]:
    """A Phoenix with an empty store."""
    with running_phoenix(tmp_path_factory.mktemp("phoenix")) as running:
        yield running
