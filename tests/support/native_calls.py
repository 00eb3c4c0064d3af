"""Program with native function calling, and a request with an image, audio and a file.

    with scripted_lm(answer) as server:
        agent()(question="Where is Ulm?")

`answer` first wants the tool `lookup` called, and submits once there is a tool's result; a message with media it answers
with a text.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

import dspy

from otel_dspy.hooks.patching.capabilities import part
from tests.support.lm_server import Reply, ToolCall

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.lm_server import LMServer, Message

PIXEL: Final = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010804000000b51c0c02"
        "0000000b4944415478da6364f80f00010501012718e3660000000049454e44ae426082"
    )
).decode()
"""A PNG of one pixel."""
SOUND: Final = base64.b64encode(b"RIFF" + bytes(40)).decode()
PAPER: Final = base64.b64encode(b"%PDF-1.7").decode()
MEDIA: Final[list[dict[str, Any]]] = [
    {"type": "text", "text": "What is this?"},
    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
    {"type": "input_audio", "input_audio": {"data": SOUND, "format": "wav"}},
    {"type": "file", "file": {"filename": "ulm.pdf", "file_data": f"data:application/pdf;base64,{PAPER}"}},
]


def answer(messages: Sequence[Message]) -> Reply:
    """The stub server's script."""
    if isinstance(messages[-1]["content"], list):
        return Reply("A minster.", input_tokens=30, output_tokens=3)
    if not any(message["role"] == "tool" for message in messages):
        calls = [ToolCall("c1", "lookup", {"city": "Ulm"})]
        return Reply(None, "tool_calls", 10, 5, tool_calls=calls, reasoning="I do not know Ulm.")
    return Reply(None, "tool_calls", 20, 7, tool_calls=[ToolCall("c2", "submit", {"answer": "on the Danube"})])


def lookup(city: str, language: str | None = None) -> dict[str, str]:
    """Look a city up."""
    return {"city": city, "river": "Danube", "language": language or "en"}


def agent() -> Any:
    """A `dspy.ReActV2` with that tool."""
    kind: Any = part("dspy.predict.react_v2:ReActV2")
    return kind("question -> answer", tools=[lookup], max_iters=3)


def native_lm(server: LMServer, **settings: Any) -> dspy.LM:
    """The served model, which DSPy knows to call functions natively."""
    given: dict[str, Any] = {"cache": False, "num_retries": 0, **settings}
    return dspy.LM("openai/gpt-4o-mini", api_base=server.api_base, api_key="k", **given)


def native(lm: dspy.LM) -> Any:
    """The settings under which DSPy's programs call functions natively."""
    return dspy.context(lm=lm, adapter=dspy.ChatAdapter(use_native_function_calling=True))
