"""What the unit tests share: properties are judged by what they find, not by how fast a busy machine finds it."""

from __future__ import annotations

import gc

import pytest
from hypothesis import HealthCheck, settings

# The first text of a process waits for Hypothesis's Unicode tables, for seconds where other work runs beside.
settings.register_profile("unit", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unit")


@pytest.fixture
def only_own_garbage() -> None:
    """A `gc.collect()` of the test searches what the test has made, not the millions of objects of those before it."""
    gc.freeze()
