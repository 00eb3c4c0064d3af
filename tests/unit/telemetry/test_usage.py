from __future__ import annotations

import threading
from typing import Any, Final, get_args

from hypothesis import given
from hypothesis import strategies as st

from otel_dspy.telemetry.usage import CallUsage, Role, UsageTally

ROLES: Final[tuple[Role, ...]] = get_args(Role)
CALLS = st.builds(
    CallUsage,
    st.integers(0, 10_000),
    st.integers(0, 10_000),
    # Halves and quarters add up exactly in whatever order.
    st.integers(0, 100).map(lambda quarters: quarters / 4) | st.none(),
    st.booleans(),
    st.booleans(),
)


def sums(calls: list[CallUsage], prefix: str) -> dict[str, Any]:
    """The definition: sums over the calls."""
    known = [call.cost for call in calls if call.cost is not None]
    unpriced = sum(call.unpriced for call in calls)
    return {
        **({f"{prefix}.cost": sum(known)} if known or not calls else {}),
        **({f"{prefix}.unpriced_calls": unpriced} if unpriced else {}),
        f"{prefix}.input_tokens": sum(call.input_tokens for call in calls),
        f"{prefix}.output_tokens": sum(call.output_tokens for call in calls),
        f"{prefix}.lm_calls": len(calls),
        f"{prefix}.cache_hits": sum(call.cache_hit for call in calls),
    }


def by_role(calls: list[tuple[CallUsage, Role]], prefix: str) -> dict[str, Any]:
    """The same for each role that made a call."""
    told: dict[str, Any] = {}
    for role in {role for _, role in calls}:
        told |= sums([call for call, its in calls if its == role], f"{prefix}.{role}")
    return told


@given(
    st.lists(st.tuples(st.integers(0, 5), CALLS, st.sampled_from(ROLES))),
    st.lists(st.integers(0, 4), min_size=5, max_size=5),
)
def test_every_tally_is_the_sum_over_the_calls_inside(
    calls: list[tuple[int, CallUsage, Role]], parents: list[int]
) -> None:
    """In any tree of tallies and any interleaving of calls, each is the sum over its own subtree, whole and by role."""
    tallies = [UsageTally()]
    inside = [{0}]
    for index, parent in enumerate(parents, start=1):
        around = parent % index
        tallies.append(UsageTally(tallies[around]))
        inside.append(inside[around] | {index})
    for where, call, role in calls:
        tallies[where].add(call, role)
    for index, tally in enumerate(tallies):
        own: list[tuple[CallUsage, Role]] = [(call, role) for where, call, role in calls if index in inside[where]]
        every = [call for call, _ in own]
        assert tally.attributes() == sums(every, "dspy.usage")
        assert tally.split_attributes() == sums(every, "dspy.usage") | by_role(own, "dspy.usage.role")
        assert tally.compile_attributes() == (
            sums(every, "dspy.compile.usage") | by_role(own, "dspy.compile.usage.role")
        )


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
    assert [tally.attributes()["dspy.usage.lm_calls"] for tally in inner] == [2_000] * 8
    assert outer.attributes() == sums([CallUsage(1, 2, 0.25, cache_hit=True)] * 16_000, "dspy.usage")
