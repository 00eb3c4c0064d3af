"""What a user does with programs: calls, tools, threads, tasks, evaluations."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, cast
from unittest import mock

import dspy
from dspy.clients.cache import Cache

from tests.behavior.data import as_data
from tests.behavior.model import model
from tests.support.addition_task import exact, examples, raising_metric
from tests.support.two_step_programs import Thinking

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.behavior.observation import Scenario, Stage


def add(left: int, right: int) -> int:
    """Add two numbers."""
    return left + right


def _react(function: Callable[..., Any] = add) -> Any:
    react = cast("Callable[..., Any]", dspy.ReAct)  # its annotation refuses the text that it takes
    return react("question -> answer", tools=[cast("Any", dspy.Tool)(function, name="add")], max_iters=2)


def _predict(_: Stage) -> Any:
    program = dspy.Predict("question -> answer")
    return [program(question="1+1"), program(question="2+1", config={"temperature": 0.5}), program]


def _chain_of_thought(_: Stage) -> Any:
    program = Thinking()
    return [program(question="1+1"), program]


def _tools(_: Stage) -> Any:
    program = _react()
    return [program(question="1+2"), program]


def _tools_async(_: Stage) -> Any:
    program: Any = _react()
    return asyncio.run(program.acall(question="1+2"))


def _tools_failing(_: Stage) -> Any:
    """ReAct hands the tool's traceback to the model, so the model's history shows it."""

    def broken(left: int, right: int) -> int:
        raise ArithmeticError(f"cannot add {left} and {right}")

    program = _react(broken)
    return [program(question="1+2"), asyncio.run(program.acall(question="1+2"))]


def _async(_: Stage) -> Any:
    async def ask(number: int) -> tuple[Any, Any]:
        # A model each: of one that all share the order of the calls would be left to chance.
        own = model()
        with dspy.context(lm=own):
            return await Thinking().acall(question=f"{number}+1"), cast("Any", own).history

    async def run() -> list[Any]:
        return await asyncio.gather(*(ask(number) for number in range(3)))

    return asyncio.run(run())


def _asyncify(_: Stage) -> Any:
    asynchronous: Any = dspy.asyncify(Thinking())
    return asyncio.run(asynchronous(question="1+1"))


def _syncify(_: Stage) -> Any:
    class Awaited(dspy.Module):
        def __init__(self) -> None:
            super().__init__()
            self.answer = dspy.Predict("question -> answer")

        async def aforward(self, question: str) -> Any:
            return await self.answer.acall(question=question)

    program = Awaited()
    return [dspy.syncify(program)(question="1+1"), dspy.syncify(program, in_place=False)(question="3+1")]


def _parallel(_: Stage) -> Any:
    program = dspy.Predict("question -> answer")
    pairs = [(program, example.inputs()) for example in examples(4)]
    return cast("Any", dspy.Parallel(num_threads=1, disable_progress_bar=False))(pairs)


def _parallel_failing(_: Stage) -> Any:
    def broken(question: str) -> Any:
        raise ArithmeticError(question)

    pairs: list[Any] = [(broken, {"question": example["question"]}) for example in examples(2)]
    parallel = dspy.Parallel(num_threads=1, disable_progress_bar=True, return_failed_examples=True, max_errors=9)
    return cast("Any", parallel)(pairs)


def _batch(_: Stage) -> Any:
    return Thinking().batch([example.inputs() for example in examples(4)], num_threads=1)


def _evaluation(stage: Stage, **settings: Any) -> Any:
    evaluate = dspy.Evaluate(
        devset=examples(5),
        metric=settings.pop("metric", exact),
        num_threads=settings.pop("num_threads", 1),
        display_progress=True,
        display_table=3,
        save_as_csv=str(stage.folder / "rows.csv"),
        save_as_json=str(stage.folder / "rows.json"),
        **settings,
    )
    result = evaluate(dspy.ChainOfThought("question -> answer"), callback_metadata={"metric_key": "eval_full"})
    files = {path.name: path.read_text() for path in sorted(stage.folder.glob("rows.*"))}
    return [result.score, result.results, repr(result), files]


def _evaluation_failing(stage: Stage) -> Any:
    metric: Any = raising_metric
    evaluate = dspy.Evaluate(devset=examples(5), metric=metric, num_threads=1, failure_score=0.25, display_table=True)
    del stage
    result = evaluate(dspy.ChainOfThought("question -> answer"))
    return [result.score, result.results]


def _evaluation_on_threads(_: Stage) -> Any:
    # A model of its own: in which order threads ask is chance.
    with dspy.context(lm=model()):
        result = dspy.Evaluate(devset=examples(8), metric=exact, num_threads=4)(Thinking())
    return [result.score, result.results]


def _feedback_metric(_: Stage) -> Any:
    def metric(example: Any, prediction: Any, trace: object = None) -> Any:
        return dspy.Prediction(score=float(exact(example, prediction, trace)), feedback="so so")

    result = dspy.Evaluate(devset=examples(4), metric=metric, num_threads=1)(dspy.Predict("question -> answer"))
    return [result.score, result.results]


def _usage(_: Stage) -> Any:
    with dspy.track_usage() as tracker:
        dspy.Predict("question -> answer")(question="1+1")
    with dspy.context(track_usage=True):
        prediction: Any = Thinking()(question="3+1")
    return [tracker.get_total_tokens(), prediction.get_lm_usage(), prediction]


def _inspection(stage: Stage) -> Any:
    program = Thinking()
    program(question="1+1")
    program.inspect_history(n=2)
    dspy.inspect_history(n=1)
    stage.lm.inspect_history(n=1)
    return as_data(program.history)


def _cached(_: Stage) -> Any:
    program = dspy.Predict("question -> answer")
    fresh = Cache(enable_disk_cache=False, enable_memory_cache=True, disk_cache_dir="")
    lm = model(cache=True)
    with mock.patch.object(dspy, "cache", fresh), dspy.context(lm=lm):
        asked = [program(question="5+1"), program(question="5+1"), program(question="5+1", config={"rollout_id": 1})]
        return [*asked, as_data(lm.history)]


def _plain_calls_of_the_model(stage: Stage) -> Any:
    lm: Any = stage.lm
    return [lm("hello"), lm(prompt="hello", n=1), lm(messages=[{"role": "user", "content": "hi"}], temperature=0.1)]


def _tool_calls(_: Stage) -> Any:
    async def later(left: int, right: int) -> int:
        await asyncio.sleep(0)
        return left + right

    tool: Any = cast("Any", dspy.Tool)(add)
    awaited: Any = cast("Any", dspy.Tool)(later)
    with dspy.context(allow_tool_async_sync_conversion=True):
        converted = awaited(left=1, right=1)
    return [tool(left=1, right=2), asyncio.run(awaited.acall(left=2, right=2)), converted, tool.args, tool.desc]


def _best_of_n(_: Stage) -> Any:
    def reward(_args: Any, prediction: Any) -> float:
        return float(prediction.answer.isdigit())

    program = dspy.Predict("question -> answer")
    best = dspy.BestOfN(module=program, N=2, reward_fn=reward, threshold=1.0)
    refined = dspy.Refine(module=program, N=2, reward_fn=reward, threshold=1.0)
    return [best(question="2+1"), refined(question="1+1")]


def _direct_forward(_: Stage) -> Any:
    return Thinking().forward(question="1+1")


PROGRAMS: Final[Mapping[str, Scenario]] = {
    "a predictor": _predict,
    "a program of two predictors": _chain_of_thought,
    "ReAct with a tool": _tools,
    "ReAct with a tool, awaited": _tools_async,
    "ReAct with a tool that raises": _tools_failing,
    "gathered calls": _async,
    "asyncify": _asyncify,
    "syncify": _syncify,
    "Parallel": _parallel,
    "Parallel, all failing": _parallel_failing,
    "batch": _batch,
    "Evaluate": _evaluation,
    "Evaluate with a metric that raises": _evaluation_failing,
    "Evaluate on four threads": _evaluation_on_threads,
    "a metric with feedback": _feedback_metric,
    "usage tracking": _usage,
    "inspect_history": _inspection,
    "a cache": _cached,
    "plain calls of the model": _plain_calls_of_the_model,
    "tools by themselves": _tool_calls,
    "BestOfN and Refine": _best_of_n,
    "forward called directly": _direct_forward,
}
"""Name -> what is done."""
