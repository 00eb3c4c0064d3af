"""Number of connections to a server that deliveries keep open: more than the ten of MLflow's client.

A distant server gets as many requests at a time as connections are kept. With one more each opens a connection of its
own, which takes several round trips, and urllib3 logs that the pool is full.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import wrapt
from requests import adapters

if TYPE_CHECKING:
    from collections.abc import Callable

VARIABLE: Final = "MLFLOW_HTTP_POOL_MAXSIZE"
"""MLflow's setting. If it is set, it holds for deliveries too."""
SIZE: Final = 15
"""Connections otherwise: as many as a process of MLflow's server has to its database (SQLAlchemy's `QueuePool`: 5 and
an overflow of 10)."""
_METHOD: Final = "init_poolmanager"
"""Called by the constructor of `requests`' adapter, with the numbers of hosts and of connections to each."""


def size() -> int:
    """Return the number of connections to a server that deliveries keep, at least 1."""
    try:
        return max(1, int(os.environ.get(VARIABLE, SIZE)))
    except ValueError:  # MLflow's own requests raise an error about it
        return SIZE


def install(wanted: Callable[[], bool]) -> None:
    """Keep as many connections in sessions from now on; call it once.

    Args:
        wanted: returns whether the calling thread creates a session for deliveries; others are not changed.
    """

    def enlarged(wrapped: Callable[..., Any], _: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401 - passes on what `requests` gives
        if wanted() and len(args) > 1:
            args = (args[0], max(args[1], size()), *args[2:])
        return wrapped(*args, **kwargs)

    setattr(adapters.HTTPAdapter, _METHOD, wrapt.FunctionWrapper(getattr(adapters.HTTPAdapter, _METHOD), enlarged))
