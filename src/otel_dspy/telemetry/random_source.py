"""Private random number generator, so that instrumentation does not change the numbers of a seeded program.

OpenTelemetry's SDK generates span and trace ids with the global generator of the `random` module, which `random.seed`
sets and from which programs, DSPy's `Ensemble` among them, draw.
"""

from __future__ import annotations

import os
import random
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

chance: Final = random.Random()  # noqa: S311 - ids and sampling, not cryptography
if hasattr(os, "register_at_fork"):
    # Otherwise a child process would generate the same ids as its parent.
    os.register_at_fork(after_in_child=chance.seed)


def random_id(bits: int) -> int:
    """Return a random id of that many bits; not 0, which is not a valid id."""
    return chance.getrandbits(bits) or random_id(bits)


def own_ids(tracer: Tracer) -> None:
    """Make this tracer, and no other of its provider, generate ids with `chance`.

    A custom id generator of the user and the tracers of other SDKs are left unchanged.
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
        """Id generator with a private random source."""

        def generate_span_id(self) -> int:
            return chance.getrandbits(64) or random_id(64)

        def generate_trace_id(self) -> int:
            return chance.getrandbits(128) or random_id(128)

    return OwnIds()
