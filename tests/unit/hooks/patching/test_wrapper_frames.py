"""A wrapper's frame is in no traceback that the program, or a model as the result of a tool, gets to see."""

from __future__ import annotations

import asyncio
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from otel_dspy.hooks.patching.wrapper_frames import MODULE, forwarding, hidden_frame

if TYPE_CHECKING:
    from collections.abc import Callable


def _broken() -> None:
    message = "broken"
    raise ValueError(message)


def _called() -> None:
    with hidden_frame:
        return _broken()


def _counted() -> None:
    with hidden_frame:
        try:
            return _broken()
        except ValueError:
            with suppress(KeyError):
                raise KeyError from None
            raise


def _nested() -> None:
    with hidden_frame:
        return _called()


def _awaited() -> None:
    async def wrapper() -> None:
        with hidden_frame:
            await broken()

    async def broken() -> None:
        _broken()

    with hidden_frame:
        asyncio.run(wrapper())


@pytest.mark.parametrize("call", [_called, _counted, _nested])
def test_the_frame_of_a_wrapper_is_in_no_traceback(call: Callable[[], None]) -> None:
    """Only the frames of the caller and of the original remain, however the wrapper handles the error."""
    with pytest.raises(ValueError, match="broken") as raised:
        call()
    frames = [frame.name for frame in traceback.extract_tb(raised.value.__traceback__)]
    assert frames == ["test_the_frame_of_a_wrapper_is_in_no_traceback", "_broken"]


def test_the_frame_of_a_coroutine_is_in_no_traceback() -> None:
    """The same for a wrapper that awaits the original."""
    with pytest.raises(ValueError, match="broken") as raised:
        _awaited()
    frames = [frame.name for frame in traceback.extract_tb(raised.value.__traceback__)]
    assert not {"wrapper", "_awaited"} & set(frames)
    assert frames[-2:] == ["broken", "_broken"]


def test_the_last_frame_stays() -> None:
    """An error that the wrapper's own frame raises has no other frame, and keeps it."""
    frames: list[str] = []
    try:
        with hidden_frame:
            int("own")
    except ValueError as error:
        frames = [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert frames == ["test_the_last_frame_stays"]


def test_the_frames_of_a_copy_belong_to_dspy() -> None:
    """The copy does what the function does; a callable that is not a Python function has no frames to attribute."""

    def shout(text: str, *, mark: str = "!") -> str:
        return f"{text.upper()}{mark}"

    made = forwarding(shout)
    assert (made("a"), made("a", mark="?")) == ("A!", "A?")
    assert (made.__globals__["__name__"], shout.__globals__["__name__"]) == (MODULE, __name__)
    assert forwarding(str.upper) is str.upper
