r"""Server of a scripted language model with OpenAI's chat-completions protocol, on loopback.

It returns the script's responses, counts words as tokens, injects failures, and keeps every request:

    with scripted_lm(lambda messages: "[[ ## answer ## ]]\n4") as server:
        lm = dspy.LM("openai/scripted", api_base=server.api_base, api_key="k", cache=False)
"""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, cast

from tests.support.loopback_server import LoopbackHandler, running

if TYPE_CHECKING:
    from collections.abc import Generator

Message = Mapping[str, Any]
SERVED_MODEL_SUFFIX = "-2026"
"""The response model differs from the requested one, as with dated versions of a hosted model."""


@dataclass(frozen=True)
class ToolCall:
    """A function that the model wants to have called."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True)
class Reply:
    """One completion. Token counts that are None are counted as words of the request and of `text`."""

    text: str | None
    finish_reason: str = "stop"
    input_tokens: int | None = None
    output_tokens: int | None = None
    tool_calls: Sequence[ToolCall] = ()
    reasoning: str | None = None

    def message(self) -> dict[str, Any]:
        """The completion as a message of OpenAI's protocol; `content` is null where there is no text."""
        message: dict[str, Any] = {"role": "assistant", "content": self.text}
        if self.reasoning is not None:
            message["reasoning_content"] = self.reasoning
        if self.tool_calls:
            message["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
                }
                for call in self.tool_calls
            ]
        return message


Script = Callable[[Sequence[Message]], str | Reply]


@dataclass(frozen=True)
class Status:
    """Answer with this HTTP status and OpenAI's error body."""

    code: int
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Drop:
    """Close the connection without an answer."""


@dataclass(frozen=True)
class Stall:
    """Stay silent for `seconds`, then close the connection (ends early when the server stops)."""

    seconds: float


Failure = Status | Drop | Stall


@dataclass(frozen=True)
class Seen:
    """A request as it arrived; header names are in lower case."""

    headers: Mapping[str, str]
    body: Mapping[str, Any]

    @property
    def messages(self) -> Sequence[Message]:
        """The conversation that was sent."""
        return cast("Sequence[Message]", self.body["messages"])


@dataclass
class LMServer:
    """Handle on a running server: where it listens, what it saw, and how it shall fail."""

    api_base: str
    script: Script
    latency: float = 0.0
    """Seconds to wait before each answer."""
    requests: list[Seen] = field(default_factory=list[Seen])
    """Every request in order of arrival, those that were failed included."""
    stopping: threading.Event = field(default_factory=threading.Event)
    _failures: deque[Failure] = field(default_factory=deque[Failure])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def fail(self, failure: Failure, times: int = 1) -> None:
        """Fail the next `times` requests that way, after the failures asked for earlier."""
        with self._lock:
            self._failures.extend([failure] * times)

    def arrive(self, seen: Seen) -> tuple[int, Failure | None]:
        """Keep the request; give its number (from 1) and the failure that it shall meet."""
        with self._lock:
            self.requests.append(seen)
            return len(self.requests), self._failures.popleft() if self._failures else None


@contextmanager
def scripted_lm(script: Script, *, latency: float = 0.0, port: int = 0) -> Generator[LMServer]:
    """Serve `script` on a loopback port, a free one by default, until the block ends. `latency` is in seconds."""
    http = _HTTPServer(("127.0.0.1", port), _Handler)
    http.lm = LMServer(f"http://127.0.0.1:{http.server_address[1]}/v1", script, latency)
    with running(http):
        try:
            yield http.lm
        finally:
            http.lm.stopping.set()


class _HTTPServer(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client that keeps its connection open must not hold the test
    lm: LMServer


class _Handler(LoopbackHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        """Answer one chat completion."""
        lm = cast("_HTTPServer", self.server).lm
        if lm.stopping.is_set():  # a stopped server must not respond on kept-alive connections either
            self.close_connection = True
            return
        body = cast("dict[str, Any]", json.loads(self.read_body()))
        number, failure = lm.arrive(Seen({name.lower(): value for name, value in self.headers.items()}, body))
        if not self.path.endswith("/chat/completions"):
            failure = Status(404)
        match failure:
            case Status(code, headers):
                self._send_json(code, {"error": {"message": f"scripted {code}", "type": "scripted"}}, headers)
            case Drop():
                self.close_connection = True
            case Stall(seconds):
                lm.stopping.wait(seconds)
                self.close_connection = True
            case None:
                time.sleep(lm.latency)
                answer = lm.script(cast("Sequence[Message]", body["messages"]))
                completion = _completion(number, body, answer if isinstance(answer, Reply) else Reply(answer))
                if body.get("stream"):
                    self._send_events(completion)
                else:
                    self._send_json(200, completion)

    def _send_json(self, code: int, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> None:
        self.answer(code, json.dumps(body).encode(), {**(headers or {}), "Content-Type": "application/json"})

    def _send_events(self, completion: Mapping[str, Any]) -> None:
        """Send the completion as a stream: one chunk a word of each choice in turn, then finish reasons and the usage."""
        common = {key: completion[key] for key in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
        indices, choice = range(len(completion["choices"])), completion["choices"][0]
        deltas = [{"role": "assistant", **delta} for delta in _deltas(choice["message"])]
        chunks: list[dict[str, Any]] = [
            {"choices": [{"index": index, "delta": delta}]} for delta in deltas for index in indices
        ]
        last: dict[str, Any] = {"delta": {}, "finish_reason": choice["finish_reason"]}
        chunks += [{"choices": [{"index": index, **last}]} for index in indices]
        chunks[-1]["usage"] = completion["usage"]
        lines = [f"data: {json.dumps(common | chunk)}\n\n" for chunk in chunks]
        stream = "".join([*lines, "data: [DONE]\n\n"])
        self.answer(200, stream.encode(), {"Content-Type": "text/event-stream"})


def _deltas(message: Mapping[str, Any]) -> Generator[dict[str, Any]]:
    """The message in pieces: reasoning and text word by word, each tool call as its name and two halves of arguments."""
    for name in ("reasoning_content", "content"):
        for index, word in enumerate(message[name].split(" ") if message.get(name) is not None else ()):
            yield {name: word if index == 0 else f" {word}"}
    for index, call in enumerate(message.get("tool_calls", ())):
        arguments: str = call["function"]["arguments"]
        middle = len(arguments) // 2
        yield {"tool_calls": [{**call, "index": index, "function": {**call["function"], "arguments": ""}}]}
        for half in (arguments[:middle], arguments[middle:]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": half}}]}


def _completion(number: int, body: Mapping[str, Any], reply: Reply) -> dict[str, Any]:
    asked = sum(len(str(message.get("content", "")).split()) for message in body["messages"])
    input_tokens = asked if reply.input_tokens is None else reply.input_tokens
    count = int(body.get("n") or 1)
    answered = len((reply.text or "").split()) * count
    output_tokens = answered if reply.output_tokens is None else reply.output_tokens
    message = reply.message()
    return {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 1_750_000_000,
        "model": f"{body['model']}{SERVED_MODEL_SUFFIX}",
        "choices": [
            {"index": index, "message": message, "finish_reason": reply.finish_reason} for index in range(count)
        ],
        "usage": {
            "prompt_tokens": input_tokens,
            "completion_tokens": output_tokens,
            "total_tokens": input_tokens + output_tokens,
        },
    }
