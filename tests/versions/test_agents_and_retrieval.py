from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import dspy
import numpy as np
import pytest
from inline_snapshot import snapshot

from otel_dspy.hooks.patching.capabilities import part
from otel_dspy.telemetry.exceptions import error_type
from tests.support.dspy_answers import dspy_script
from tests.support.lm_server import scripted_lm
from tests.support.span_recorder import recording
from tests.versions.scenario import even_sums, model, numbers

if TYPE_CHECKING:
    from collections.abc import Callable

_ANSWERS = dspy_script(
    {
        "answer": even_sums,
        "next_thought": lambda _: "add them",
        "next_tool_name": lambda _: "add",
        "next_tool_args": lambda _: '{"left": 1, "right": 2}',
        "generated_code": lambda _: "```python\nprint(1 + 2)\n```",
    }
)
_SHOWN = ("module.name", "gen_ai.tool.name", "gen_ai.tool.call", "retrieval.count", "embeddings.count")


def _add(left: int, right: int) -> int:
    """Add two numbers."""
    return left + right


def _call(program: Any) -> Any:
    return program(question="1+2")


def _await(program: Any) -> Any:
    return asyncio.run(program.acall(question="1+2"))


@pytest.mark.parametrize("act", [_call, _await], ids=["called", "awaited"])
def test_an_agent(act: Callable[[Any], Any]) -> None:
    """Its span stands in its module's and holds each turn's module and tool, whose arguments and result are content."""
    tool = cast("Any", dspy.Tool)(_add, name="add")
    agent = cast("Any", dspy.ReAct)("question -> answer", tools=[tool], max_iters=1)
    with scripted_lm(_ANSWERS) as server, dspy.context(lm=model(server)), recording(capture_content=True) as recorder:
        act(agent)
    assert recorder.tree("", *_SHOWN) == snapshot(
        [
            "module ReAct module.name=self",
            "  invoke_agent ReAct",
            "    module Predict module.name=react",
            "      chat scripted module.name=react",
            '    execute_tool add gen_ai.tool.call.arguments={"left":1,"right":2} gen_ai.tool.call.result=3 gen_ai.tool.name=add',
            "    module ChainOfThought module.name=extract",
            "      module Predict module.name=extract.predict",
            "        chat scripted module.name=extract.predict",
        ]
    )


def test_an_interpreter_that_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Deno the error reaches the user, and the interpreter's span and the agent's have failed with it."""
    monkeypatch.setenv("PATH", "")
    made: Any = part("dspy:CodeAct")
    agent = made("question -> answer", tools=[_add], max_iters=1)
    with (
        scripted_lm(_ANSWERS) as server,
        dspy.context(lm=model(server)),
        recording() as recorder,
        pytest.raises(Exception, match="Deno") as caught,
    ):
        agent(question="1+2")
    failed = {
        one["error.type"] for kind in ("interpreter execute", "invoke_agent") for one in recorder.attributes_of(kind)
    }
    assert failed == {error_type(caught.value)}


def test_retrievers_and_embedders() -> None:
    """A query's span holds the embedder's, which another thread may call; a retriever of the user's own has one too."""

    def passages(query: str, k: int = 1, **_: object) -> list[dspy.Example]:
        return [dspy.Example(long_text=f"{query} {number}") for number in range(k)]

    def vectors(texts: list[str]) -> Any:
        return np.array(numbers(texts), dtype=np.float32)

    retriever: Any = dspy.retrievers.Embeddings(["1+1", "2+1", "3+1"], dspy.Embedder(vectors), k=2)
    with recording() as recorder:
        assert retriever("1+1").passages[0] == "1+1"
        with dspy.context(rm=passages):
            assert cast("Any", dspy.Retrieve(k=2))("what").passages == ["what 0", "what 1"]
    assert recorder.tree("", *_SHOWN) == snapshot(
        [
            "retrieval Embeddings retrieval.count=2",
            "  embeddings vectors embeddings.count=1",
            "retrieval function retrieval.count=2",
        ]
    )
