from __future__ import annotations

import os
import random

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import get_tracer

from otel_dspy.telemetry.random_source import chance, own_ids
from tests.support.span_recorder import CountingIds


def test_ids_leave_the_users_random_numbers_alone() -> None:
    """The SDK's own generator draws from them; ours gives ids that are as random and takes none."""
    tracer = TracerProvider(shutdown_on_exit=False).get_tracer("ours")
    own_ids(tracer)
    random.seed(1)
    before = random.getstate()
    ids = {tracer.start_span("span").get_span_context().span_id for _ in range(100)}
    assert random.getstate() == before
    assert len(ids) == 100
    assert 0 not in ids


def test_other_tracers_of_the_provider_keep_their_generator() -> None:
    """What is the user's own is not touched, nor is a generator that the user has chosen."""
    provider = TracerProvider(shutdown_on_exit=False)
    ours, theirs = provider.get_tracer("ours"), provider.get_tracer("theirs")
    own_ids(ours)
    assert vars(theirs)["id_generator"] is provider.id_generator
    chosen = TracerProvider(id_generator=CountingIds(), shutdown_on_exit=False).get_tracer("ours")
    own_ids(chosen)
    assert chosen.start_span("span").get_span_context().span_id == 1


def test_a_tracer_without_ids_is_let_be() -> None:
    """The API's own tracer makes no ids."""
    own_ids(get_tracer("none"))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this platform")
def test_a_forked_child_draws_other_ids() -> None:
    """Parent and child would otherwise give their spans the same ids."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(write, chance.getrandbits(64).to_bytes(8, "big"))
        os._exit(0)
    os.waitpid(child, 0)
    assert int.from_bytes(os.read(read, 8), "big") != chance.getrandbits(64)
    os.close(read)
    os.close(write)
