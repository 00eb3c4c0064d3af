from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import dspy

from tests.support.span_recorder import recording
from tests.versions.scenario import Sums, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def test_a_streamed_call() -> None:
    """What is streamed arrives as it does without us, and is the same tree as any other call."""

    async def call() -> list[Any]:
        with dspy.context(lm=lm):
            chunks = cast("AsyncIterator[Any]", cast("Any", dspy.streamify)(Sums())(question="1+1"))
            return [chunk async for chunk in chunks]

    with served() as (_, lm), recording() as recorder:
        received = asyncio.run(call())
    assert received[-1].answer == "2"
    assert len(received) > 1
    assert recorder.tree("module") == ["module Sums", "  module Predict", "    chat scripted"]
