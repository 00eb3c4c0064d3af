"""Optimizations that several tests compare."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otel_dspy.environment.variable_names import REPORT
from tests.support.compared_optimizations import recorded

if TYPE_CHECKING:
    from tests.support.compared_optimizations import Recorded


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """Three optimizations in one store, without the page of each: it takes longer than they do."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(REPORT, "false")
        return recorded(tmp_path_factory.mktemp("compared"))
