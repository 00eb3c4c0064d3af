"""Timeouts of a flush: without end, and none at all."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from opentelemetry.sdk.trace import TracerProvider

from otel_dspy.mlflow import MlflowSpanProcessor, flush
from tests.support.blank_store import blank_store
from tests.support.mlflow_tree import read_tree

if TYPE_CHECKING:
    from pathlib import Path


def test_a_flush_without_a_limit(tmp_path: Path) -> None:
    """Infinity, and more milliseconds than Python can wait for."""
    uri = blank_store(tmp_path)
    processor = MlflowSpanProcessor(tracking_uri=uri, experiment="Default")
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    tracer = provider.get_tracer("t")
    try:
        for wait in (lambda: flush(math.inf), lambda: processor.force_flush(10**30)):
            tracer.start_span("call", attributes={"dspy.operation.name": "module"}).end()
            assert wait()
    finally:
        provider.shutdown()
    assert len(read_tree(uri, "Default").traces) == 2


@pytest.mark.parametrize("timeout", [np.float32(0.5), np.int64(1), Fraction(1, 2)], ids=repr)
def test_a_number_of_another_type(timeout: Any) -> None:
    """As in budgets, which accept the numbers of NumPy too."""
    assert flush(timeout)


def test_a_timeout_that_is_not_a_number() -> None:
    """The message has the name and the value."""
    with pytest.raises(ValueError, match="timeout=nan is not a number of seconds"):
        flush(math.nan)
