"""How many values are known at a time, and which of them are forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otel_dspy.telemetry.secrets.known_values import CALL, ENVIRONMENT, SETTING, KnownSecrets
from otel_dspy.telemetry.secrets.patterns import REDACTED
from otel_dspy.telemetry.secrets.scrubber import SecretKeeper

if TYPE_CHECKING:
    from otel_dspy.telemetry.secrets.known_values import Origin


@pytest.mark.parametrize("origin", [CALL, SETTING])
def test_the_bound_of_each_origin(origin: Origin) -> None:
    """256 values; the next one evicts the 32 that were used longest ago, and so on."""
    known = KnownSecrets()
    sizes = {}
    for number in range(1, 322):
        known.add(f"value-{number:03}", origin)
        sizes[number] = len(known.spellings)
    assert [sizes[number] for number in (255, 256, 257, 288, 289, 320, 321)] == [255, 256, 225, 256, 225, 256, 225]
    assert not known.use("value-096", origin)
    assert known.use("value-097", origin)


def test_values_of_the_environment_are_never_evicted() -> None:
    """Nor do values of one origin evict those of another."""
    known = KnownSecrets()
    known.add("setting", SETTING)
    for number in range(300):
        known.add(f"value-{number}", ENVIRONMENT)
    for number in range(300):
        known.add(f"call-{number}", CALL)
    assert known.use("setting", SETTING)
    assert all(known.use(f"value-{number}", ENVIRONMENT) for number in range(300))


def test_the_highest_origin_of_a_value_counts() -> None:
    """It is known with that origin and with lower ones, and counts for the bound of that one alone."""
    known = KnownSecrets()
    known.add("value", CALL)
    assert (known.use("value", CALL), known.use("value", SETTING)) == (True, False)
    known.add("value", SETTING)
    known.add("value", CALL)
    assert [known.use("value", origin) for origin in (CALL, SETTING, ENVIRONMENT)] == [True, True, False]
    assert not known.use("other", CALL)
    for number in range(255):
        known.add(f"setting-{number}", SETTING)
    for number in range(256):
        known.add(f"call-{number}", CALL)
    assert len(known.spellings) == 512
    assert known.use("setting-0", SETTING)
    assert known.use("call-0", CALL)


def test_what_is_used_again_is_evicted_last() -> None:
    """By a meeting as well as by an addition."""
    known = KnownSecrets()
    for number in range(256):
        known.add(f"value-{number}", CALL)
    known.use("value-0", CALL)
    known.add("value-1", CALL)
    known.add("one more", CALL)
    assert [known.use(f"value-{number}", CALL) for number in (0, 1, 2, 33, 34)] == [True, True, False, False, True]


def test_the_longest_spelling_comes_first() -> None:
    """A secret that begins another one must not cut it; after an eviction too."""
    known = KnownSecrets()
    for value in ("abc", "abcde", "ab", "abcd"):
        known.add(value, SETTING)
    assert known.spellings == ["abcde", "abcd", "abc", "ab"]
    for number in range(257):
        known.add(f"{'x' * (1 + number % 5)}-{number:03}", CALL)
    lengths = [len(spelling) for spelling in known.spellings]
    assert lengths == sorted(lengths, reverse=True)
    assert {"abcde", "ab"} <= set(known.spellings)


def test_each_value_that_is_learned_is_removed_from_texts_seen_before() -> None:
    """Scrubbed texts are cached until anything new is known."""
    keeper = SecretKeeper()
    for value in ("quiet-river-1", "quiet-river-2", "quiet-river-3"):
        assert keeper.scrub(value) == value
        keeper.learn(value)
        assert keeper.scrub(value) == REDACTED


def test_the_longest_match() -> None:
    """That of a pattern, or of a longer value that is known."""
    keeper = SecretKeeper()
    keeper.learn("quiet-river-stone")
    assert keeper.longest == 1024
    keeper.learn("q" * 2000)
    assert keeper.longest == 2000
