"""Decide between two optimizations by their own record: forecast, compare, gate, register.

Two optimizers of DSPy work on the demo's task, the sentiment of tweets. Before each one starts, its calls, tokens and
cost are forecast. The second one is compared with the first; if it passes the gate, its program becomes the registered
model's champion. It needs the extra `demo`.

The environment may name MLFLOW_TRACKING_URI (default: mlflow.db in the current folder), DECIDE_MODEL (default
openai/gpt-4o-mini), OPENAI_API_KEY, DECIDE_API_BASE for a model that is served elsewhere, and DECIDE_EXAMPLES (default
20 tweets for training and as many for validation).
"""

import os
from typing import Any, cast

import dspy as typed_dspy
import mlflow

import otel_dspy
import otel_dspy.mlflow
from otel_dspy.cli import main
from otel_dspy.demo.task import SentimentOfTweet, as_examples, optimizer_of
from otel_dspy.demo.tweets import sample_tweets

dspy = cast("Any", typed_dspy)  # DSPy is typed only in part
EXPERIMENT = "DSPy-Decision"
MODEL = "sentiment"

mlflow.set_tracking_uri(os.environ.get("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db"))
otel_dspy.mlflow.autolog(experiment=EXPERIMENT)
lm = dspy.LM(os.environ.get("DECIDE_MODEL", "openai/gpt-4o-mini"), api_base=os.environ.get("DECIDE_API_BASE"))
dspy.configure(lm=lm)

size = int(os.environ.get("DECIDE_EXAMPLES", "20"))
tweets = as_examples(sample_tweets(size, seed=1))
train, validation = tweets[:size], tweets[size:]
# Tokens and cost of a call: first of three training examples that run once, then of the optimization before.
rates: dict[str, Any] = {"measure": 3}
for name in ("random_search", "mipro"):
    optimizer, arguments = optimizer_of(name, examples=size, trials=3, threads=4)
    print(otel_dspy.forecast(optimizer, SentimentOfTweet(), train, validation, **rates, **arguments))
    optimizer.compile(SentimentOfTweet(), trainset=train, valset=validation, **arguments)
    otel_dspy.mlflow.flush()
    rates = {"run": "latest", "experiment": EXPERIMENT}

# The newest run first; the optimizations inside others have a parent.
found: list[Any] = mlflow.search_runs(
    experiment_names=[EXPERIMENT],
    filter_string="tags.`dspy.optimizer.name` != ''",
    output_format="list",
)
candidate, baseline = [run.info.run_id for run in found if "dspy.compile.parent.id" not in run.data.tags][:2]

# Which one is better, and is the difference noise?
comparison = otel_dspy.compare(baseline, candidate)
print(comparison.verdict)
print(f"The whole comparison: {comparison.save('comparison.html')}")

# Is the second one good enough? This is what a step of CI runs; the champion's alias is a baseline too.
status = main(["gate", candidate, "--baseline", baseline, "--max-drop", "2", "--markdown", "gate.md"])

# The winner becomes the champion, with its instructions as prompts.
chosen = candidate if status == 0 else baseline
registered = otel_dspy.register(chosen, name=MODEL, alias="champion", program=SentimentOfTweet())
print(f"Version {registered.version} of {MODEL} is the champion: {registered.model_uri}")

program: Any = cast("Any", mlflow).dspy.load_model(registered.model_uri)
dspy.configure(lm=lm)  # load_model sets DSPy's settings, and no language model is saved
print(f"It classifies a new tweet as {program(tweet='What a lovely morning').sentiment}.")
