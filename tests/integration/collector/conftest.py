"""The bridge's stores, for Collectors in front of it."""

from __future__ import annotations

from tests.integration.bridge.conftest import _blank, new_store

__all__ = ["_blank", "new_store"]  # fixtures, found here by pytest
