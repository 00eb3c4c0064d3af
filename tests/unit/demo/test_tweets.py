from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otel_dspy.demo.tweets import SENTIMENTS, sample_tweets

if TYPE_CHECKING:
    from otel_dspy.demo.tweets import Tweet


def test_the_sample_is_balanced_clean_and_repeatable() -> None:
    """Each pair has both sentiments, no tweet comes twice or with broken characters, and a seed fixes the draw."""
    tweets = sample_tweets(20, seed=3)
    assert {frozenset(tweet.sentiment for tweet in pair) for pair in batched(tweets)} == {frozenset(SENTIMENTS)}
    assert len({tweet.text for tweet in tweets}) == 40
    assert not [tweet.text for tweet in tweets if "\ufffd" in tweet.text]
    assert tweets == sample_tweets(20, seed=3)
    assert tweets != sample_tweets(20, seed=4)


def test_the_order_does_not_matter() -> None:
    """Neither sentiment always comes first in its pair."""
    assert len({first.sentiment for first, _second in batched(sample_tweets(20, seed=3))}) == 2


def test_more_than_there_are_is_an_error() -> None:
    """The corpus has fewer than a million tweets."""
    with pytest.raises(ValueError, match="larger than population"):
        sample_tweets(1_000_000, seed=1)


def batched(tweets: list[Tweet]) -> list[tuple[Tweet, Tweet]]:
    """Take the tweets two by two."""
    return list(zip(tweets[::2], tweets[1::2], strict=True))
