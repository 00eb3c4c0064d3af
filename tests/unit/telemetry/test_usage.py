from __future__ import annotations

import threading
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from otel_dspy.telemetry.usage import CallUsage, UsageTally

CALLS = st.builds(
    CallUsage,
    st.integers(0, 10_000),
    st.integers(0, 10_000),
    # Halves and quarters add up exactly in whatever order.
    st.integers(0, 100).map(lambda quarters: quarters / 4),
    st.booleans(),
)


def sums(calls: list[CallUsage], prefix: str) -> dict[str, Any]:
    """The definition: sums over the calls."""
    return {
        f"{prefix}.input_tokens": sum(call.input_tokens for call in calls),
        f"{prefix}.output_tokens": sum(call.output_tokens for call in calls),
        f"{prefix}.lm_calls": len(calls),
        f"{prefix}.cache_hits": sum(call.cache_hit for call in calls),
        f"{prefix}.cost": sum((call.cost for call in calls), 0.0),
    }


@given(st.lists(st.tuples(st.integers(0, 5), CALLS)), st.lists(st.integers(0, 4), min_size=5, max_size=5))
def test_every_tally_is_the_sum_over_the_calls_inside(calls: list[tuple[int, CallUsage]], parents: list[int]) -> None:
    """In any tree of tallies and any interleaving of calls, each tally is the sum over its own subtree."""
    tallies = [UsageTally()]
    inside = [{0}]
    for index, parent in enumerate(parents, start=1):
        around = parent % index
        tallies.append(UsageTally(tallies[around]))
        inside.append(inside[around] | {index})
    for where, call in calls:
        tallies[where].add(call)
    for index, tally in enumerate(tallies):
        own = [call for where, call in calls if index in inside[where]]
        assert tally.attributes() == sums(own, "dspy.usage")
        assert tally.compile_attributes() == sums(own, "dspy.compile.usage")


def test_threads_lose_nothing() -> None:
    """Calls that end at the same time in many threads are all counted, in the tally around as well."""
    outer = UsageTally()
    inner = [UsageTally(outer) for _ in range(8)]
    start = threading.Barrier(8)

    def work(tally: UsageTally) -> None:
        start.wait()
        for _ in range(2_000):
            tally.add(CallUsage(1, 2, 0.25, cache_hit=True))

    threads = [threading.Thread(target=work, args=(tally,)) for tally in inner]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [tally.lm_calls for tally in inner] == [2_000] * 8
    assert outer.attributes() == sums([CallUsage(1, 2, 0.25, cache_hit=True)] * 16_000, "dspy.usage")
