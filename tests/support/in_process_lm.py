"""A language model without a network: a DSPy engine that answers from a script and reports usage, model and id.

lm = in_process_lm(dspy_script({"answer": lambda inputs: "4"}))
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, Any, cast

import dspy
from dspy.lm15 import Message, Response, TextPart, Usage

if TYPE_CHECKING:
    from dspy.lm15 import Request

    from tests.support.lm_server import Script


class ScriptedEngine:
    """Responds with the script's answers: 10 input and 5 output tokens, ids in order of the calls."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.failures: list[Exception] = []
        """Raised one a call, in order, before anything is answered."""
        self._numbers = itertools.count(1)

    def complete(self, request: Request) -> Response:
        """Answer one request."""
        if self.failures:
            raise self.failures.pop(0)
        answer = self.script(_messages(request))
        return Response(
            id=f"response-{next(self._numbers)}",
            model="scripted-2026",
            message=Message(role="assistant", parts=(TextPart(text=str(answer)),)),
            finish_reason="stop",
            usage=Usage(input_tokens=10, output_tokens=5, total_tokens=15, cache_read_tokens=4, reasoning_tokens=2),
        )


class AsyncScriptedEngine:
    """The same, awaited."""

    def __init__(self, engine: ScriptedEngine) -> None:
        self._engine = engine

    async def complete(self, request: Request) -> Response:
        """Answer one request, after giving way to other tasks once."""
        await asyncio.sleep(0)
        return self._engine.complete(request)


def in_process_lm(script: Script, model: str = "openai/scripted", **kwargs: Any) -> dspy.LM:
    """A `dspy.LM` that the script answers; uncached unless `cache=True` is given. DSPy knows no price of `scripted`."""
    engine = ScriptedEngine(script)
    settings: dict[str, Any] = {"cache": False, "num_retries": 0, **kwargs}
    return dspy.LM(model, engine=engine, async_engine=AsyncScriptedEngine(engine), **settings)


def engine_of(lm: dspy.LM) -> ScriptedEngine:
    """The engine behind an LM of `in_process_lm`."""
    return cast("ScriptedEngine", lm._engine_spec)


def _messages(request: Request) -> list[dict[str, str]]:
    system = request.system if isinstance(request.system, str) else _text(request.system or ())
    asked = [{"role": message.role, "content": _text(message.parts)} for message in request.messages]
    return [{"role": "system", "content": system}, *asked]


def _text(parts: Any) -> str:
    return "".join(getattr(part, "text", "") for part in parts)
