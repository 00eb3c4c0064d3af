"""Dictionary with a maximum number of entries."""

from __future__ import annotations

from otel_dspy.runtime.bounded_dict import BoundedDict


def test_the_oldest_entry_is_evicted_however_one_is_added() -> None:
    """By assignment, `setdefault` and `update`; an entry that is set again is not younger for it."""
    evicted: list[tuple[str, int]] = []
    bounded = BoundedDict[str, int](2, lambda key, value: evicted.append((key, value)))
    bounded["a"] = 1
    bounded["b"] = 2
    bounded["a"] = 3
    assert (dict(bounded), evicted) == ({"a": 3, "b": 2}, [])
    assert bounded.setdefault("c", 4) == 4
    assert (dict(bounded), evicted) == ({"b": 2, "c": 4}, [("a", 3)])
    bounded.update(d=5, e=6)
    assert (dict(bounded), evicted) == ({"d": 5, "e": 6}, [("a", 3), ("b", 2), ("c", 4)])
