"""What every scenario is held to, whatever the version: no hook of otel-dspy has failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otel_dspy.runtime.error_guard import failures

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture(autouse=True)
def _no_hook_fails() -> Generator[None]:
    """Nothing was reported as failed and left out meanwhile."""
    before = failures()
    yield
    assert failures() == before
