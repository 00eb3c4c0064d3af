"""The forecast of tokens and cost beside what an optimization used, on a model whose tokens vary with its prompts.

The table of docs/forecast.md is that of `test_the_table_of_the_page`.
"""

from __future__ import annotations

import random
import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import dspy
import pytest
from dspy.lm15 import Usage

import otel_dspy.mlflow
from otel_dspy import forecast
from otel_dspy.demo.task import SentimentOfTweet, as_examples, optimizer_of
from otel_dspy.demo.tweets import sample_tweets
from otel_dspy.forecasting.measurement import MeasuredCall, price_of_input
from otel_dspy.reporting.runs.past_usage import past_usage
from otel_dspy.telemetry.tallies.usage_tally import Spending
from tests.support.addition_task import exact
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import ScriptedEngine
from tests.support.lm_server import Reply, scripted_lm
from tests.support.recorded_run import recording_into

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

PRICES: Final = {"input_cost_per_token": 1e-6, "output_cost_per_token": 4e-6}
ALLOWED: Final = 0.15
"""Share by which a forecast of the cost may differ, from the issue that asked for it."""
_QUIET: Final = {"num_threads": 1, "display_progress": False, "display_table": 0}
_WORDS: Final = [
    "the",
    "stadium",
    "was",
    "full",
    "of",
    "people",
    "who",
    "had",
    "come",
    "to",
    "see",
    "it",
    "rain",
    "on",
    "small",
    "brown",
    "foxes",
]
_optimizers: Final[Any] = dspy.teleprompt


def filler(number: int, kind: int) -> str:
    """From 3 to 40 words, the same ones for the same arguments."""
    drawn = random.Random(31 * number + kind)  # noqa: S311 - no secret
    return " ".join(drawn.choice(_WORDS) for _ in range(drawn.randint(3, 40)))


def examples(count: int) -> list[Any]:
    """Sums with words behind them."""
    return [
        dspy.Example(
            question=f"{number}+1 {filler(number, 0)}", answer=f"{number + 1} {filler(number, 1)}"
        ).with_inputs("question")
        for number in range(count)
    ]


def answer(inputs: Mapping[str, str]) -> str:
    """Two of three answers are right, all of them as long as their label."""
    number = int(inputs["question"].partition("+")[0])
    return f"{number + 1} {filler(number, 1)}" if number % 3 else f"wrong {filler(number, 1)}"


def sentiment(inputs: Mapping[str, str]) -> str:
    """Right for about two of three tweets of the demo."""
    glad = any(word in inputs["tweet"].lower() for word in ("thank", "love", "great", "awesome", "good"))
    return "positive" if glad else "negative"


@pytest.fixture(scope="module")
def lm() -> Generator[dspy.LM]:
    """A model that counts four characters of prompts and answers as a token, at `PRICES`."""
    script = dspy_script({"answer": answer, "sentiment": sentiment})

    def counted(messages: Sequence[Mapping[str, Any]]) -> Reply:
        text = str(script(messages))
        given = sum(len(str(message["content"])) for message in messages)
        return Reply(text, input_tokens=given // 4, output_tokens=max(1, len(text) // 4))

    with scripted_lm(counted) as server:
        more: dict[str, Any] = {"cache": False, "num_retries": 0, **PRICES}
        yield dspy.LM("openai/priced", api_base=server.api_base, api_key="k", **more)


class Row(NamedTuple):
    """A row of the table: calls, tokens, and cost in USD, as forecast from examples, from a run, and as they were."""

    measured: tuple[float, float, float]
    past: tuple[float, float, float]
    actual: tuple[float, float, float]

    def off(self, forecast_of: tuple[float, float, float]) -> float:
        """By how much the cost of a forecast differs, as a share."""
        return forecast_of[2] / self.actual[2] - 1


def row(
    folder: Path,
    make: Callable[[], Any],
    arguments: Mapping[str, Any],
    more: Mapping[str, Any],
    *,
    program: Any = None,
    **context: Any,
) -> Row:
    """Forecast from five examples, optimize, and forecast the same again from the run."""
    program, found = program or dspy.Predict("question -> answer"), list[tuple[float, float, float]]()
    with recording_into(folder) as uri, cast("Any", dspy).context(**context):
        each: tuple[dict[str, Any], ...] = ({"measure": 5}, {"run": "latest", "tracking_uri": uri})
        for rates in each:
            made: Any = forecast(make(), program, **arguments, **rates)
            found.append((made.lm_calls.likely, made.tokens.likely, made.cost.likely))
            if not found[1:]:
                make().compile(program, **arguments, **more)
                assert otel_dspy.mlflow.flush()
        used = past_usage(uri, "latest", type(program).__name__).by_role.values()
    total = (sum(use.calls for use in used), sum(use.tokens for use in used), sum(use.cost or 0.0 for use in used))
    return Row(found[0], found[1], total)


class _CountingEngine(ScriptedEngine):
    """Four characters are a token. DSPy knows no price of an engine that is not its own."""

    def complete(self, request: Any) -> Any:
        """Answer one request."""
        made: Any = super().complete(request)
        parts: list[Any] = [part for one in request.messages for part in one.parts]
        given = len(str(request.system or "")) + sum(len(part.text) for part in parts)
        usage = Usage(input_tokens=given // 4, output_tokens=len(made.message.parts[0].text) // 4)
        return replace(made, usage=usage)


def test_a_search_over_demos(tmp_path: Path) -> None:
    """Its demos make prompts several times longer; the forecast from examples without demos takes that in."""
    engine, program = _CountingEngine(dspy_script({"answer": answer})), dspy.Predict("question -> answer")
    counted: Any = dspy.LM("openai/counted", engine=engine, cache=False, num_retries=0)
    data: dict[str, Any] = {"trainset": examples(15), "valset": examples(30)[15:]}
    with recording_into(tmp_path) as uri, cast("Any", dspy).context(lm=counted):
        made: Any = forecast(_search(candidates=4), program, **data, measure=5)
        _search(candidates=4).compile(program, **data)
        assert otel_dspy.mlflow.flush()
        again: Any = forecast(_search(candidates=4), program, **data, run="latest", tracking_uri=uri)
        (used,) = past_usage(uri, "latest", "Predict").by_role.values()
    assert used.tokens > 4 * 204 * used.calls  # 204: of a call without demos
    assert abs(made.tokens.likely / used.tokens - 1) < ALLOWED
    assert abs(again.tokens.likely / used.tokens - 1) < ALLOWED
    assert (
        "Demos that the optimizer adds to prompts are counted with the length of the measured examples." in made.notes
    )


def test_the_price_of_input_tokens() -> None:
    """It is fitted to costs of measured runs; runs in which input and output grow alike have a mean price."""

    def part(given: int, got: int) -> MeasuredCall:
        return MeasuredCall(Spending(given * 1e-6 + got * 4e-6, given + got, 1, 0, 0), 1.0, given, 0.5)

    assert price_of_input([part(100, 10), part(120, 40)]) == pytest.approx(1e-6)
    assert price_of_input([part(100, 100), part(200, 200)]) == pytest.approx(2.5e-6)
    assert price_of_input([part(100, 50)]) == pytest.approx(2e-6)


@pytest.mark.slow
def test_the_table_of_the_page(tmp_path: Path, lm: dspy.LM) -> None:
    """Each optimizer of the table is within 15 %, and the page has its numbers."""
    data: dict[str, Any] = {"trainset": examples(15), "valset": examples(30)[15:]}
    table = {
        '`MIPROv2`, `auto="light"`': row(tmp_path / "light", lambda: _mipro(lm, "light"), data, {}, lm=lm),
        '`MIPROv2`, `auto="medium"`': row(tmp_path / "medium", lambda: _mipro(lm, "medium"), data, {}, lm=lm),
        "`BootstrapFewShotWithRandomSearch`": row(tmp_path / "search", lambda: _search(candidates=4), data, {}, lm=lm),
        "`COPRO`": row(
            tmp_path / "copro",
            lambda: _optimizers.COPRO(metric=exact, breadth=4, depth=2),
            {"trainset": examples(15)},
            {"eval_kwargs": _QUIET},
            lm=lm,
        ),
    }
    _compare_with_the_page(table)


@pytest.mark.slow
def test_the_demos_of_the_page(tmp_path: Path, lm: dspy.LM) -> None:
    """The optimizations of `otel-dspy demo`, with its tweets, are within 15 % too."""
    tweets = as_examples(sample_tweets(20, seed=1))
    data: dict[str, Any] = {"trainset": tweets[:20], "valset": tweets[20:]}
    table: dict[str, Row] = {}
    for name, called in {"mipro": "MIPROv2", "random_search": "BootstrapFewShotWithRandomSearch"}.items():
        settings: dict[str, Any] = {"examples": 20, "trials": 6, "threads": 1}
        made = partial(optimizer_of, cast("Any", name), **settings)
        with cast("Any", dspy).context(lm=lm):
            _, arguments = made()
        table[f"`{called}` of [the demo](demo.md)"] = row(
            tmp_path / name, lambda made=made: made()[0], data | arguments, {}, program=SentimentOfTweet(), lm=lm
        )
    _compare_with_the_page(table)


def _compare_with_the_page(table: Mapping[str, Row]) -> None:
    lines = {name: _line(name, found) for name, found in table.items()}
    page = (Path(__file__).parents[3] / "docs" / "forecast.md").read_text()
    kept = {name: re.search(rf"^\| {re.escape(name)} \|.* \|$", page, re.MULTILINE) for name in lines}
    assert {name: match and match[0] for name, match in kept.items()} == lines
    for found in table.values():
        assert abs(found.off(found.measured)) < ALLOWED
        assert abs(found.off(found.past)) < ALLOWED


def _line(name: str, found: Row) -> str:
    cells = [
        f"{calls:.0f} / {tokens:,.0f} / {1000 * cost:.1f}"
        for calls, tokens, cost in (found.measured, found.past, found.actual)
    ]
    return f"| {name} | {' | '.join(cells)} | {found.off(found.measured):+.0%}, {found.off(found.past):+.0%} |"


def _search(candidates: int) -> Any:
    return _optimizers.BootstrapFewShotWithRandomSearch(exact, num_candidate_programs=candidates, num_threads=1)


def _mipro(lm: dspy.LM, auto: Any) -> Any:
    return _optimizers.MIPROv2(
        exact, auto=auto, prompt_model=lm, task_model=lm, num_threads=1, max_bootstrapped_demos=2, max_labeled_demos=2
    )
