"""Language model and adapter of the demo."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dspy

if TYPE_CHECKING:
    from collections.abc import Generator

    from otel_dspy.demo.options import DemoOptions

HOSTED_THREADS = 8
LOCAL_THREADS = 2
"""The local model answers one request at a time; meanwhile the second thread prepares the next one."""


@dataclass(frozen=True)
class DemoModel:
    """A language model, its adapter and its maximum number of concurrent calls."""

    lm: dspy.LM
    adapter: dspy.Adapter
    threads: int


@contextmanager
def demo_model(options: DemoOptions) -> Generator[DemoModel]:
    """Yield the chosen model; the local one runs while the block runs.

    Raises:
        otel_dspy.demo.readiness.DemoCannotRunError: The local model does not start.
    """
    if options.lm is not None:
        # None selects the provider's default address.
        yield DemoModel(dspy.LM(options.lm, api_base=options.api_base), dspy.ChatAdapter(), HOSTED_THREADS)
        return
    from otel_dspy.demo.local_model import local_model  # noqa: PLC0415 - needs optional packages

    with local_model() as lm:
        yield DemoModel(lm, dspy.JSONAdapter(), LOCAL_THREADS)
