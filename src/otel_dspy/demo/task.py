"""What the demo optimizes: a program that tells a tweet's sentiment, its metric, and the optimizers to choose from."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import dspy

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from otel_dspy.demo.options import OptimizerName
    from otel_dspy.demo.tweets import Tweet

_SEED = 7
_SHOWN = 4
"""Examples that a candidate may show to the model: enough to teach the small one the answer's form, and still quick."""
_BOOTSTRAPPED = 1
"""How many of them may be the model's own right answers; untaught, it is right about one kind of tweet alone."""
_untyped = cast("Any", dspy)
"""DSPy's signatures, examples and optimizers are typed in part or wrongly; what they give is typed again here."""


class SentimentOfTweet(dspy.Module):
    """One prediction: is the tweet positive or negative?"""

    def __init__(self) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType] - DSPy leaves its argument untyped
        self.classify = dspy.Predict(_untyped.Signature("tweet -> sentiment", "Tell the sentiment of a tweet."))

    def forward(self, tweet: str) -> dspy.Prediction:
        """Predict the sentiment of `tweet`."""
        return self.classify(tweet=tweet)


def right_sentiment(
    example: dspy.Example,
    prediction: dspy.Prediction,
    trace: object = None,
    pred_name: object = None,
    pred_trace: object = None,
) -> float:
    """Score 1 for the right sentiment, else 0. The last three arguments are there because GEPA asks for them."""
    del trace, pred_name, pred_trace
    return float(cast("object", example["sentiment"]) == cast("object", prediction["sentiment"]))


def as_examples(tweets: Sequence[Tweet]) -> list[dspy.Example]:
    """Turn tweets into DSPy examples whose input is the tweet."""
    return [_untyped.Example(tweet=tweet.text, sentiment=tweet.sentiment).with_inputs("tweet") for tweet in tweets]


def optimize(
    optimizer: OptimizerName,
    *,
    train: Sequence[dspy.Example],
    validation: Sequence[dspy.Example],
    trials: int,
    threads: int,
) -> SentimentOfTweet:
    """Optimize a fresh program with DSPy's current language model, and give the optimized one.

    `trials` candidates are tried, each scored by up to `threads` calls at a time.
    """
    student = SentimentOfTweet()
    match optimizer:
        case "mipro":
            # Half of the validation tweets a trial and a full evaluation every third: both scopes are seen.
            optimized = _untyped.MIPROv2(
                metric=right_sentiment,
                auto=None,
                num_candidates=3,
                max_bootstrapped_demos=_BOOTSTRAPPED,
                max_labeled_demos=_SHOWN,
                num_threads=threads,
                seed=_SEED,
            ).compile(
                student,
                trainset=train,
                valset=validation,
                num_trials=trials,
                minibatch_size=max(1, len(validation) // 2),
                minibatch_full_eval_steps=3,
                # It would take two long calls more for each instruction, of which a small model gains nothing.
                program_aware_proposer=False,
            )
        case "random_search":
            # Three of the trials are the optimizer's own: without examples, with labeled ones, with bootstrapped ones.
            optimized = _untyped.BootstrapFewShotWithRandomSearch(
                metric=right_sentiment,
                max_bootstrapped_demos=_BOOTSTRAPPED,
                max_labeled_demos=_SHOWN,
                num_candidate_programs=max(0, trials - 3),
                num_threads=threads,
            ).compile(student, trainset=train, valset=validation)
        case "gepa":
            optimized = _untyped.GEPA(
                metric=right_sentiment,
                reflection_lm=_untyped.settings.lm,
                max_metric_calls=trials * len(validation),
                num_threads=threads,
                seed=_SEED,
            ).compile(student, trainset=train, valset=validation)
    return cast("SentimentOfTweet", optimized)


@dataclass(frozen=True)
class Learnt:
    """What an optimized program has learnt."""

    instruction: str
    shown_examples: int


def learnt(program: SentimentOfTweet) -> Learnt:
    """Tell what `program` is told and shown before each tweet."""
    predictor = cast("Any", program.classify)
    return Learnt(predictor.signature.instructions, len(predictor.demos))


@contextmanager
def using(lm: dspy.LM, adapter: dspy.Adapter) -> Generator[None]:
    """Make DSPy use this model and adapter while the block lasts."""
    with _untyped.context(lm=lm, adapter=adapter):
        yield
