"""Task of the demo: a program that classifies the sentiment of tweets, its metric and the optimizers."""

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
"""Maximum number of demos in a prompt: enough to teach the small model the answer format, and still fast."""
_BOOTSTRAPPED = 1
"""Maximum number of bootstrapped demos; without demos the model is right about one sentiment only."""
_untyped = cast("Any", dspy)
"""DSPy's signatures, examples and optimizers have partial or wrong types; results are cast here."""


class SentimentOfTweet(dspy.Module):
    """Program with one prediction: whether a tweet is positive or negative."""

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
    """Return 1 for the right sentiment, in upper or lower case, else 0. The last three parameters are required by GEPA.

    Args:
        example: the labeled example.
        prediction: the program's answer.
        trace: unused.
        pred_name: unused.
        pred_trace: unused.
    """
    del trace, pred_name, pred_trace
    return float(cast("str", example["sentiment"]) == str(cast("object", prediction["sentiment"])).lower())


def as_examples(tweets: Sequence[Tweet]) -> list[dspy.Example]:
    """Convert tweets to DSPy examples with the input `tweet`."""
    return [_untyped.Example(tweet=tweet.text, sentiment=tweet.sentiment).with_inputs("tweet") for tweet in tweets]


def optimize(
    optimizer: OptimizerName,
    *,
    train: Sequence[dspy.Example],
    validation: Sequence[dspy.Example],
    trials: int,
    threads: int,
) -> SentimentOfTweet:
    """Optimize a new program with DSPy's current language model.

    Args:
        optimizer: name of the optimizer.
        train: training examples.
        validation: validation examples.
        trials: number of candidates.
        threads: maximum number of concurrent calls.

    Returns:
        The optimized program.
    """
    made, arguments = optimizer_of(optimizer, examples=len(validation), trials=trials, threads=threads)
    return cast("SentimentOfTweet", made.compile(SentimentOfTweet(), trainset=train, valset=validation, **arguments))


def optimizer_of(optimizer: OptimizerName, *, examples: int, trials: int, threads: int) -> tuple[Any, dict[str, Any]]:
    """Return an optimizer, and the arguments of its `compile` besides program and data.

    Args:
        optimizer: name of the optimizer.
        examples: number of validation examples.
        trials: number of candidates.
        threads: maximum number of concurrent calls.
    """
    match optimizer:
        case "mipro":
            # Minibatches of half the validation tweets, and a full evaluation every third trial, show both scopes.
            made = _untyped.MIPROv2(
                metric=right_sentiment,
                auto=None,
                num_candidates=3,
                max_bootstrapped_demos=_BOOTSTRAPPED,
                max_labeled_demos=_SHOWN,
                num_threads=threads,
                seed=_SEED,
            )
            return made, {
                "num_trials": trials,
                "minibatch_size": max(1, examples // 2),
                "minibatch_full_eval_steps": 3,
                # Would add long calls, without benefit for a small model.
                "program_aware_proposer": False,
                "data_aware_proposer": False,
            }
        case "random_search":
            # The optimizer adds three trials: without demos, with labeled demos and with bootstrapped demos.
            made = _untyped.BootstrapFewShotWithRandomSearch(
                metric=right_sentiment,
                max_bootstrapped_demos=_BOOTSTRAPPED,
                max_labeled_demos=_SHOWN,
                num_candidate_programs=max(0, trials - 3),
                num_threads=threads,
            )
        case "gepa":
            made = _untyped.GEPA(
                metric=right_sentiment,
                reflection_lm=_untyped.settings.lm,
                max_metric_calls=trials * examples,
                num_threads=threads,
                seed=_SEED,
            )
    return made, {}


@dataclass(frozen=True)
class Learnt:
    """Instruction and demos of an optimized program."""

    instruction: str
    shown_examples: int


def learnt(program: SentimentOfTweet) -> Learnt:
    """Return the instruction and the number of demos of `program`."""
    predictor = cast("Any", program.classify)
    return Learnt(predictor.signature.instructions, len(predictor.demos))


@contextmanager
def using(lm: dspy.LM, adapter: dspy.Adapter) -> Generator[None]:
    """Use this model and adapter in DSPy while the block runs."""
    with _untyped.context(lm=lm, adapter=adapter):
        yield
