"""Acknowledges the head of an answer at once (Linux), since a server with several processes sends the body after that.

`mlflow server` has four processes by default. uvicorn then creates the socket on which they listen without its
protocol, and asyncio does not disable Nagle's algorithm for the connections (uvicorn 0.54, `Config.bind_socket`;
CPython 3.11, `base_events._set_nodelay`). uvicorn writes the head of an answer and its body apart, so that the body
waits until the head is acknowledged, and the client's kernel delays that by 40 ms.
"""

from __future__ import annotations

import importlib
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import wrapt

if TYPE_CHECKING:
    from collections.abc import Callable

_MODULE: Final = "urllib3.connection"
"""Module of the HTTP client (urllib3) that MLflow's client uses through `requests`."""
_QUICKACK: Final[int | None] = getattr(socket, "TCP_QUICKACK", None)


def install(wanted: Callable[[], bool]) -> None:
    """Acknowledge answers at once from now on; call it once.

    Args:
        wanted: returns whether the calling thread's requests are meant; others are not changed.
    """
    if _QUICKACK is None:
        return
    with suppress(ImportError, AttributeError):
        connections: Any = importlib.import_module(_MODULE).HTTPConnection
        connections.getresponse = wrapt.FunctionWrapper(connections.getresponse, _answered_by(wanted, _QUICKACK))


def _answered_by(wanted: Callable[[], bool], option: int) -> Callable[..., Any]:
    def answer(wrapped: Callable[..., Any], instance: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401 - passes on what urllib3 gives
        if wanted():
            with suppress(OSError, AttributeError):  # a closed connection: the answer cannot be read either
                # For this answer: the kernel delays again once data are sent.
                instance.sock.setsockopt(socket.IPPROTO_TCP, option, 1)
        return wrapped(*args, **kwargs)

    return answer
