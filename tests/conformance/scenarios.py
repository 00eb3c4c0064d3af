"""What a user of DSPy does, at its smallest: each scenario is run against a scripted language model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

import dspy

from tests.support.addition_task import exact, examples, half_right
from tests.support.dspy_answers import dspy_script
from tests.support.optimizers import Rounds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.lm_server import Script


@dataclass(frozen=True)
class Scenario:
    """Something to do, with the settings under which it is done."""

    act: Callable[[], object]
    shows: frozenset[str]
    """Names of spans that must be among those emitted, or the scenario shows nothing."""
    settings: Mapping[str, Any] = field(default_factory=lambda: {"capture_content": True})
    """Keywords of `instrument`."""
    opted_in: frozenset[str] = frozenset({"content", "programs", "datasets"})
    """What those settings let out."""
    cached: bool = False
    """Whether DSPy's cache may answer."""
    gaps: frozenset[str] = frozenset()
    """Violations that are known, as parts of their texts. A gap that no longer shows fails the test: take it out."""


class MetricError(Exception):
    """What a broken metric raises."""


EXAMPLES: Final = examples(6)
SCRIPT: Final[Script] = dspy_script(
    {
        "answer": half_right,
        "next_thought": lambda _: "add them",
        "next_tool_name": lambda _: "add",
        "next_tool_args": lambda _: '{"left": 1, "right": 2}',
    }
)


def broken_metric(example: dspy.Example, prediction: dspy.Prediction, trace: object = None) -> bool:
    """Like `exact`, but raises for the first example."""
    if example["question"].startswith("0"):
        raise MetricError("no score for you")
    return exact(example, prediction, trace)


def add(left: int, right: int) -> int:
    """Add two numbers."""
    return left + right


def break_down(left: int, right: int) -> int:
    """Add two numbers, in vain."""
    raise ArithmeticError(f"cannot add {left} and {right}")


def _mipro_v2(*, minibatch: bool) -> None:
    optimizer = dspy.MIPROv2(
        metric=exact, auto=None, num_candidates=2, num_threads=2, max_bootstrapped_demos=1, max_labeled_demos=1
    )
    program = dspy.ChainOfThought("question -> answer")
    optimizer.compile(
        program,
        trainset=EXAMPLES,
        valset=EXAMPLES[:4],
        num_trials=3,
        minibatch=minibatch,
        minibatch_size=2,
        minibatch_full_eval_steps=2,
    )


def _random_search() -> None:
    optimizer = dspy.BootstrapFewShotWithRandomSearch(
        metric=exact, num_candidate_programs=2, max_bootstrapped_demos=1, max_labeled_demos=1, num_threads=4
    )
    optimizer.compile(dspy.Predict("question -> answer"), trainset=EXAMPLES)


def _copro() -> None:
    optimizer = dspy.COPRO(metric=exact, breadth=2, depth=1)
    evaluation = {"num_threads": 1, "display_progress": False, "display_table": 0}
    optimizer.compile(dspy.Predict("question -> answer"), trainset=EXAMPLES, eval_kwargs=evaluation)


def _rounds() -> None:
    Rounds(exact).compile(dspy.Predict("question -> answer"), trainset=EXAMPLES)


def _simba() -> None:
    optimizer: Any = dspy.SIMBA(
        metric=cast("Any", exact), bsize=4, num_candidates=2, max_steps=2, max_demos=1, num_threads=4
    )
    optimizer.compile(dspy.Predict("question -> answer"), trainset=EXAMPLES)


def _bootstrap() -> None:
    optimizer: Any = dspy.BootstrapFewShot(exact, max_bootstrapped_demos=2, max_labeled_demos=1)
    optimizer.compile(dspy.Predict("question -> answer"), trainset=EXAMPLES)


def _evaluate(metric: Callable[..., Any], threads: int) -> None:
    dspy.Evaluate(devset=EXAMPLES, metric=metric, num_threads=threads)(dspy.Predict("question -> answer"))


def _repeat_a_question() -> None:
    program = dspy.Predict("question -> answer")
    for _ in range(2):
        program(question="1+2")


def _use_a_tool(function: Callable[[int, int], int]) -> None:
    tool: Callable[..., Any] = dspy.Tool(function, name="add")
    react = cast("Callable[..., Any]", dspy.ReAct)  # its annotation refuses the text that it takes
    react("question -> answer", tools=[tool], max_iters=1)(question="1+2")


def _large_program() -> None:
    program = dspy.Predict("question -> answer")
    program.demos = [dspy.Example(question="long " * 30_000, answer=str(n)) for n in range(4)]
    dspy.LabeledFewShot(k=1).compile(program, trainset=EXAMPLES)


NESTED: Final = {"capture_content": True, "trace_shape": "nested"}
MIPRO: Final = frozenset({"phase bootstrap", "phase propose", "phase search", "trial MIPROv2", "example exact"})
SEARCH: Final = frozenset(
    {"trial BootstrapFewShotWithRandomSearch", "compile BootstrapFewShot", "dataset validation", "example exact"}
)
SIMBA: Final = frozenset({"phase step", "phase sample", "phase validate", "trial SIMBA", "example exact"})
EVALUATION: Final = frozenset({"evaluate exact", "dataset evaluation", "example exact", "module Predict"})
TOOL: Final = frozenset({"module ReAct", "execute_tool add", "chat gpt-4o-mini"})
SCENARIOS: Final[Mapping[str, Scenario]] = {
    "MIPROv2 with minibatches": Scenario(lambda: _mipro_v2(minibatch=True), MIPRO),
    "MIPROv2 without minibatches, nested": Scenario(lambda: _mipro_v2(minibatch=False), MIPRO, settings=NESTED),
    "random search": Scenario(_random_search, SEARCH),
    "random search, nested": Scenario(_random_search, SEARCH, settings=NESTED),
    "an optimizer that only the generic rule knows": Scenario(_rounds, frozenset({"trial Rounds", "evaluate exact"})),
    "COPRO": Scenario(_copro, frozenset({"trial COPRO", "evaluate exact"})),
    "SIMBA, nested": Scenario(_simba, SIMBA, settings=NESTED),
    "SIMBA, content off": Scenario(_simba, SIMBA, settings={"capture_content": False}, opted_in=frozenset()),
    "BootstrapFewShot, nested": Scenario(
        _bootstrap, frozenset({"phase bootstrap", "phase select", "example exact"}), settings=NESTED
    ),
    "content off": Scenario(_random_search, SEARCH, settings={"capture_content": False}, opted_in=frozenset()),
    "evaluation on 1 thread": Scenario(lambda: _evaluate(exact, 1), EVALUATION),
    "evaluation on 16 threads, nested": Scenario(lambda: _evaluate(exact, 16), EVALUATION, settings=NESTED),
    "a metric that raises": Scenario(lambda: _evaluate(broken_metric, 2), frozenset({"example broken_metric"})),
    "an answer from the cache": Scenario(_repeat_a_question, frozenset({"chat gpt-4o-mini"}), cached=True),
    "a tool": Scenario(lambda: _use_a_tool(add), TOOL),
    "a tool that raises": Scenario(lambda: _use_a_tool(break_down), TOOL),
    "a tool, content off": Scenario(
        lambda: _use_a_tool(add), TOOL, settings={"capture_content": False}, opted_in=frozenset()
    ),
    "a program too large for one attribute": Scenario(_large_program, frozenset({"payload", "setup LabeledFewShot"})),
}
"""Name -> what is done."""
