"""ASGI requests to MLflow's endpoint: which they are, and their body, read once and replayed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope


class ReceivedBody:
    """The messages of a request, as received."""

    def __init__(self, messages: list[Message], receive: Receive) -> None:
        """Create it; `read` does.

        Args:
            messages: the messages of the body.
            receive: returns what the server sends after them.
        """
        self._messages = messages
        self._receive = receive

    @classmethod
    async def read(cls, receive: Receive) -> ReceivedBody:
        """Read a body to its end, or until the client disconnects."""
        messages: list[Message] = []
        more = True
        while more:
            message = await receive()
            messages.append(message)
            more = message["type"] == "http.request" and message.get("more_body", False)
        return cls(messages, receive)

    def content(self) -> bytes | None:
        """Return the body; None if the client has disconnected."""
        if any(message["type"] != "http.request" for message in self._messages):
            return None
        return b"".join(message.get("body", b"") for message in self._messages)

    def replay(self) -> Receive:
        """Return a `receive` that yields the same messages again, then what the server sends after them."""
        left = iter(self._messages)

        async def receive() -> Message:
            message = next(left, None)
            return message if message is not None else await self._receive()

        return receive


def is_post(scope: Scope, path: str) -> bool:
    """Whether a request is a POST to a path, without the prefix of `uvicorn --root-path`.

    Args:
        scope: ASGI scope.
        path: the path.
    """
    if scope["type"] != "http" or scope["method"] != "POST":
        return False
    return str(scope["path"]).removeprefix(scope.get("root_path", "")) == path
