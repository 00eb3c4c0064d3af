from __future__ import annotations

import threading
from typing import Any, Final, get_args

from hypothesis import given
from hypothesis import strategies as st

from otel_dspy.telemetry.tallies.lm_roles import Role
from otel_dspy.telemetry.tallies.usage_tally import CallUsage, UsageTally

ROLES: Final[tuple[Role, ...]] = get_args(Role)
MODELS: Final = [f"provider/model-{number}.5" for number in range(10)]
CALLS = st.builds(
    CallUsage,
    st.integers(0, 10_000),
    st.integers(0, 10_000),
    # Halves and quarters add up exactly in whatever order.
    st.integers(0, 100).map(lambda quarters: quarters / 4) | st.none(),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)


def sums(calls: list[CallUsage], prefix: str) -> dict[str, Any]:
    """The definition: sums over the calls."""
    known = [call.cost for call in calls if call.cost is not None]
    unpriced, embedded = (sum(getattr(call, name) for call in calls) for name in ("unpriced", "embedding"))
    return {
        **({f"{prefix}.cost": sum(known)} if known or not calls else {}),
        **({f"{prefix}.unpriced_calls": unpriced} if unpriced else {}),
        **({f"{prefix}.embedding_calls": embedded} if embedded else {}),
        f"{prefix}.input_tokens": sum(call.input_tokens for call in calls),
        f"{prefix}.output_tokens": sum(call.output_tokens for call in calls),
        f"{prefix}.lm_calls": len(calls) - embedded,
        f"{prefix}.cache_hits": sum(call.cache_hit for call in calls),
    }


Called = tuple[CallUsage, Role, str]


def by_role(calls: list[Called], prefix: str) -> dict[str, Any]:
    """The same for each role that made a call."""
    recorded: dict[str, Any] = {}
    for role in {role for _, role, _ in calls}:
        recorded |= sums([call for call, its, _ in calls if its == role], f"{prefix}.{role}")
    return recorded


def by_model(calls: list[Called], prefix: str) -> dict[str, Any]:
    """The same, without cache hits, for each of the first eight models and for the rest."""
    first = list(dict.fromkeys(model for *_, model in calls))[:8]
    recorded: dict[str, Any] = {}
    for name in [*first, "other"]:
        its = [call for call, _, model in calls if model == name or (name == "other" and model not in first)]
        recorded |= sums(its, f"{prefix}.{name}") if its else {}
    return {name: value for name, value in recorded.items() if not name.endswith(".cache_hits")}


@given(
    st.lists(st.tuples(st.integers(0, 5), CALLS, st.sampled_from(ROLES), st.sampled_from(MODELS))),
    st.lists(st.integers(0, 4), min_size=5, max_size=5),
)
def test_every_tally_is_the_sum_over_the_calls_inside(
    calls: list[tuple[int, CallUsage, Role, str]], parents: list[int]
) -> None:
    """In any tree of tallies and any interleaving of calls, each is the sum over its own subtree, whole and by part."""
    tallies = [UsageTally()]
    inside = [{0}]
    for index, parent in enumerate(parents, start=1):
        around = parent % index
        tallies.append(UsageTally(tallies[around]))
        inside.append(inside[around] | {index})
    for where, call, role, model in calls:
        tallies[where].add(call, role, model)
    for index, tally in enumerate(tallies):
        own: list[Called] = [(call, role, model) for where, call, role, model in calls if index in inside[where]]
        every = [call for call, *_ in own]
        assert tally.attributes() == sums(every, "dspy.usage")
        for recorded, prefix in (
            (tally.split_attributes(), "dspy.usage"),
            (tally.compile_attributes(), "dspy.compile.usage"),
        ):
            parts = by_role(own, f"{prefix}.role") | by_model(own, f"{prefix}.model")
            assert recorded == sums(every, prefix) | parts


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


def test_models_beyond_the_bound_are_counted_together() -> None:
    """A program that calls a new model each time has no more parts than nine, which add up to the whole."""
    tally = UsageTally()
    for number in range(1_000):
        tally.add(CallUsage(1, 2, 0.25), "task", f"fine-tuned/{number}")
    recorded = tally.split_attributes()
    assert {name: value for name, value in recorded.items() if name.startswith("dspy.usage.model.other")} == {
        "dspy.usage.model.other.input_tokens": 992,
        "dspy.usage.model.other.output_tokens": 1_984,
        "dspy.usage.model.other.lm_calls": 992,
        "dspy.usage.model.other.cost": 248.0,
    }
    assert len([name for name in recorded if name.startswith("dspy.usage.model.fine-tuned/")]) == 8 * 4


def test_without_observed_calls_usage_is_unknown_where_models_may_be_called_otherwise() -> None:
    """No attributes of a sum without calls, inside as well; a compile inside that uses DSPy alone has its zeros."""
    compiled = UsageTally(UsageTally(), unobserved=True)
    trial, other = UsageTally(compiled), UsageTally(compiled)
    inner = UsageTally(trial, unobserved=False)
    for tally in (compiled, trial, UsageTally(trial)):
        assert (tally.attributes(), tally.split_attributes(), tally.compile_attributes()) == ({}, {}, {})
    assert inner.attributes()["dspy.usage.lm_calls"] == 0
    trial.add(CallUsage(10, 5))
    assert trial.attributes()["dspy.usage.lm_calls"] == compiled.attributes()["dspy.usage.lm_calls"] == 1
    assert compiled.compile_attributes()["dspy.compile.usage.cost"] == 0.0
    assert other.attributes() == {}
