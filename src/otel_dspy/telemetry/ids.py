"""Random numbers of our own: a user's program that is seeded must draw the same ones, watched or not.

OpenTelemetry's SDK takes its span and trace ids from the `random` module's global generator, which `random.seed` sets
and a program, DSPy's `Ensemble` among them, draws from.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

chance: Final = random.Random()  # noqa: S311 - ids and sampling, not cryptography
if hasattr(os, "register_at_fork"):
    # A child would give the same ids as its parent.
    os.register_at_fork(after_in_child=chance.seed)


def own_ids(tracer: Tracer) -> None:
    """Let this tracer, and no other of its provider's, take its ids from `chance`.

    A generator that the user has chosen stays; so does that of a tracer which is none of the SDK's.
    """
    holder: Any = tracer
    present = getattr(holder, "id_generator", None)
    if present is None:
        return
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator  # noqa: PLC0415 - the SDK is optional

    if type(present) is RandomIdGenerator:
        holder.id_generator = _own_generator()


def _own_generator() -> object:
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator  # noqa: PLC0415 - the SDK is optional

    class OwnIds(RandomIdGenerator):
        """The SDK's ids from a generator that nobody else draws from; valid ids are not 0."""

        def generate_span_id(self) -> int:
            return chance.getrandbits(64) or self.generate_span_id()

        def generate_trace_id(self) -> int:
            return chance.getrandbits(128) or self.generate_trace_id()

    return OwnIds()
