"""The listener of `everywhere` receives what a test emits, whichever way DSPy was instrumented."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from opentelemetry.sdk.trace import TracerProvider

from otel_dspy import DSPyInstrumentor
from otel_dspy.mlflow import autolog
from tests.conformance import everywhere
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.contract_gaps("'surprise': no such span in the contract")
def test_violations_are_found_with_the_users_own_provider() -> None:
    """The declared gap would fail this test if nothing had been received."""
    provider = TracerProvider(shutdown_on_exit=False)
    DSPyInstrumentor().instrument(tracer_provider=provider)
    try:
        provider.get_tracer("otel_dspy").start_span("surprise").end()
    finally:
        DSPyInstrumentor().uninstrument()


@pytest.mark.contract_gaps("'surprise': no such span in the contract")
def test_violations_are_found_with_autologs_private_provider(tmp_path: Path) -> None:
    """The same, where only `autolog` holds the provider."""
    autolog(tracking_uri=blank_store(tmp_path), log_traces=False)
    try:
        provider = DSPyInstrumentor().tracer_provider
        assert isinstance(provider, TracerProvider)
        provider.get_tracer("otel_dspy").start_span("surprise").end()
    finally:
        autolog(disable=True)


def test_no_instrumentation_of_an_earlier_test_is_listened_to() -> None:
    """Those of the tests above have been removed: checking them again after every test would take longer and longer."""
    assert everywhere._listeners == []
