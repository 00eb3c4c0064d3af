"""A TCP proxy on loopback that delays what it forwards, in place of a distant server."""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Generator

CHUNK = 65_536
"""Bytes that are forwarded at a time."""


@contextmanager
def latency_proxy(uri: str, round_trip: float) -> Generator[str]:
    """Forward connections to a server, with a delay that is the same for any number of connections.

    Args:
        uri: address of the server, `http://host:port`.
        round_trip: seconds that a round trip takes in addition; half of it in each direction.

    Yields:
        The proxy's address, `http://127.0.0.1:port`.
    """
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="latency-proxy", daemon=True)
    thread.start()
    target = urlsplit(uri)

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(target.hostname, target.port)
        await asyncio.gather(_pump(reader, far_writer, round_trip / 2), _pump(far_reader, writer, round_trip / 2))

    starting = asyncio.start_server(forward, "127.0.0.1", 0, backlog=1024)
    server = asyncio.run_coroutine_threadsafe(starting, loop).result()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(_cancel(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _cancel(server: asyncio.Server) -> None:
    server.close()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Write what is read, each piece `delay` seconds later; pieces that follow do not wait for each other."""
    loop = asyncio.get_running_loop()
    waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def read() -> None:
        ended = False
        while not ended:
            piece = b""
            with suppress(ConnectionError):
                piece = await reader.read(CHUNK)
            waiting.put_nowait((loop.time() + delay, piece))
            ended = not piece

    task = asyncio.create_task(read())
    while True:
        due, piece = await waiting.get()
        await asyncio.sleep(max(0.0, due - loop.time()))
        if not piece:
            break
        with suppress(ConnectionError):
            writer.write(piece)
            await writer.drain()
    await task
    writer.close()
