"""The language model that a run of the demo uses, and how DSPy speaks with it."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dspy

if TYPE_CHECKING:
    from collections.abc import Generator

    from otel_dspy.demo.options import DemoOptions

HOSTED_THREADS = 8
LOCAL_THREADS = 4
"""At most: beyond that, slots of the local server only take memory."""


@dataclass(frozen=True)
class DemoModel:
    """A language model, the adapter that suits it, and how many calls at a time it takes."""

    lm: dspy.LM
    adapter: dspy.Adapter
    threads: int


@contextmanager
def demo_model(options: DemoOptions) -> Generator[DemoModel]:
    """Give the model that was chosen; the local one runs while the block lasts.

    Raises:
        otel_dspy.demo.readiness.DemoCannotRunError: The local model does not start.
    """
    if options.lm is not None:
        # An address of None means the provider's own one.
        yield DemoModel(dspy.LM(options.lm, api_base=options.api_base), dspy.ChatAdapter(), HOSTED_THREADS)
        return
    from otel_dspy.demo.local_model import local_model  # noqa: PLC0415 - its packages are needed for it alone

    threads = min(LOCAL_THREADS, os.cpu_count() or 1)
    with local_model(threads=threads) as lm:
        yield DemoModel(lm, dspy.JSONAdapter(), threads)
