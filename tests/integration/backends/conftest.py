"""Backends that all tests of a session share."""

from __future__ import annotations

import pytest

from tests.integration.backends.reference_telemetry import CONVENTIONS, SHAPES
from tests.support.phoenix_server import Phoenix, start_phoenix
from tests.support.session_processes import session_process


@pytest.fixture(scope="session")
def phoenix() -> Phoenix:
    """A Phoenix that had an empty store when it started."""
    return Phoenix(session_process("phoenix", start_phoenix)["url"])


@pytest.fixture(params=SHAPES)
def shape(request: pytest.FixtureRequest) -> str:
    """Each shape of traces."""
    return request.param


@pytest.fixture(params=CONVENTIONS)
def conventions(request: pytest.FixtureRequest) -> str:
    """The attributes of otel-dspy alone, and those of OpenInference beside them."""
    return request.param
