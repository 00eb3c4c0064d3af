"""The bridge's stores, for Collectors in front of it."""

from __future__ import annotations

from tests.integration.bridge.conftest import new_store

__all__ = ["new_store"]  # a fixture, found here by pytest
