"""Bridge service: the OTLP servers on one event loop, and one writer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Final

import uvicorn

from otel_dspy.bridge.durable_queue.durable_queue import DurableQueue
from otel_dspy.bridge.experiment_routing import ExperimentRouter
from otel_dspy.bridge.intake import Intake
from otel_dspy.bridge.metrics import Metrics
from otel_dspy.bridge.request_writer import RequestWriter
from otel_dspy.bridge.servers.grpc_server import GrpcFront
from otel_dspy.bridge.servers.http_server import HttpFront
from otel_dspy.mlflow.tracking.requests import http_policy, workspaces
from otel_dspy.mlflow.tracking.store.store import Store
from otel_dspy.mlflow.tracking_uri import without_passwords

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from otel_dspy.bridge.configuration.listen_addresses import Address
    from otel_dspy.bridge.configuration.settings import BridgeSettings

_logger = logging.getLogger(__name__)

TEARDOWN: Final = 5.0
"""Seconds that `stop` may take beyond the drain timeout, to cancel requests and join threads."""
PROBE_AGAIN: Final = 5.0
"""Seconds for which the result of a readiness probe is cached."""
KEEP_ALIVE: Final = 60
"""Seconds after which an idle HTTP connection is closed."""
START: Final = 30.0
"""Seconds to wait for the servers to listen."""


class Bridge:
    """A bridge. `start` and `stop` may be called from any thread."""

    def __init__(self, settings: BridgeSettings, patience: float = START) -> None:
        """Create a bridge that does not listen yet.

        Args:
            settings: addresses, destination and limits.
            patience: seconds to wait for the servers to listen.
        """
        self._settings = settings
        self._patience = patience
        self.writer = RequestWriter(settings.max_waiting_bytes)
        self.queue: DurableQueue | None = None
        """The queue on disk, if there is one."""
        if settings.queue is not None:
            self.queue = DurableQueue(
                settings.queue,
                settings.tracking_uri,
                self.writer,
                max_bytes=settings.max_queue_bytes,
                max_waiting_bytes=settings.max_waiting_bytes,
            )
        self._metrics = Metrics(self.writer, self.queue)
        experiments = ExperimentRouter(
            settings.tracking_uri, settings.experiment, settings.experiment_by_service, settings.workspace
        )
        self._intake = Intake(self.writer, experiments, self._metrics, settings, self.queue)
        self._thread = threading.Thread(target=self._run, name="otel-dspy-bridge-servers", daemon=True)
        self._listening = threading.Event()
        self._closed = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Event | None = None
        self._error: BaseException | None = None
        self._probed: tuple[float, str | None] = (0.0, None)
        self.http_port: int | None = None
        """Port of OTLP/HTTP, set by `start`."""
        self.grpc_port: int | None = None
        """Port of OTLP/gRPC, set by `start`."""

    def start(self) -> None:
        """Open the queue and start the servers.

        Raises:
            OSError: the queue cannot be used, a port cannot be bound, a certificate cannot be used, or the servers did
                not start in time.
        """
        if self.queue is not None:
            try:
                self.queue.start()
            except OSError:
                self.writer.close(0)
                raise
        self._thread.start()
        if not self._listening.wait(self._patience):
            self._error = TimeoutError(f"the servers did not start within {self._patience:g} s")
        if self._error is not None:
            self._close_writer(0)
            raise OSError(f"the bridge cannot listen: {self._error}") from self._error

    def stop(self) -> None:
        """Stop accepting requests, answer those in progress, write what is queued, and shut down.

        Returns within `drain_timeout` plus `TEARDOWN` seconds, whatever state MLflow is in. Clients must retry requests
        that are not answered by then. What is in the queue on disk by then stays there.
        """
        deadline = time.monotonic() + self._settings.drain_timeout
        if self._loop is not None and self._ending is not None:
            with contextlib.suppress(RuntimeError):  # the loop is already closed
                self._loop.call_soon_threadsafe(self._ending.set)
        # The thread is not joined first: closing the loop waits for a readiness probe, which may block on MLflow.
        self._closed.wait(self._settings.drain_timeout + TEARDOWN / 2)
        self._close_writer(deadline - time.monotonic())
        self._thread.join(TEARDOWN / 5)

    def _close_writer(self, patience: float) -> None:
        deadline = time.monotonic() + patience
        if self.queue is not None:
            self.queue.drain(patience)
            if self.writer.failing_since is not None:
                deadline = 0.0
        self.writer.close(max(0.0, deadline - time.monotonic()))
        if self.queue is not None:
            self.queue.close()

    def trouble(self) -> str | None:
        """Return why the bridge is not ready, or None. Probes MLflow at most every `PROBE_AGAIN` seconds.

        With a queue on disk, MLflow need not answer.
        """
        if self.queue is not None:
            if self.queue.error is not None:
                return "the queue cannot be written"
            return "the queue is full (--max-queue-bytes)" if self.queue.full else None
        if self.writer.failing_since is not None:
            return "requests to MLflow are failing"
        if self.writer.waiting >= self._settings.max_waiting_bytes:
            return "the queue is full (--max-waiting-bytes)"
        at, found = self._probed
        if time.monotonic() - at >= PROBE_AGAIN or at == 0:
            found = self._probe()
            self._probed = (time.monotonic(), found)
        return found

    def _probe(self) -> str | None:
        try:
            with http_policy.no_retries(0), workspaces.selected(self._settings.workspace):
                Store(self._settings.tracking_uri).answer()
        except Exception as error:  # noqa: BLE001 - whatever MLflow raises, it is not ready
            # The error's text is logged only: /readyz needs no authentication.
            _logger.info("MLflow is not ready: %s", without_passwords(str(error))[:500])
            return f"MLflow cannot be reached ({type(error).__name__})"
        return None

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        finally:
            self._closed.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._ending = asyncio.Event()
        web: uvicorn.Server | None = None
        grpc_front: GrpcFront | None = None
        serving: asyncio.Task[None] | None = None
        try:
            if self._settings.grpc is not None:
                grpc_front = GrpcFront(self._settings, self._intake, str(self._settings.grpc))
                await grpc_front.start()
                self.grpc_port = grpc_front.port
            if self._settings.http is not None:
                web, serving = await self._start_web(self._settings.http)
        except Exception as error:  # noqa: BLE001 - raised by `start`
            self._error = error
            self._listening.set()
            if grpc_front is not None:
                await grpc_front.stop(0)
            return
        self._listening.set()
        await self._ending.wait()
        drained: list[Awaitable[None]] = []
        if web is not None and serving is not None:
            web.should_exit = True
            drained.append(serving)
        if grpc_front is not None:
            drained.append(grpc_front.stop(self._settings.drain_timeout))
        # Concurrently: each server may use the whole drain timeout.
        await asyncio.gather(*drained, return_exceptions=True)
        self._intake.close()
        self._closed.set()

    async def _start_web(self, address: Address) -> tuple[uvicorn.Server, asyncio.Task[None]]:
        tls = self._settings.tls
        front = HttpFront(self._settings, self._intake, self._metrics, self.trouble)
        config = uvicorn.Config(
            front.app,
            log_config=None,
            access_log=False,
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=max(1, round(self._settings.drain_timeout)),
            # Beyond it uvicorn answers 503, which clients retry.
            limit_concurrency=self._settings.max_connections,
            timeout_keep_alive=KEEP_ALIVE,
            ssl_certfile=tls.certificate if tls else None,
            ssl_keyfile=tls.key if tls else None,
            ssl_ca_certs=str(tls.client_authority) if tls and tls.client_authority else None,
            ssl_cert_reqs=ssl.CERT_REQUIRED if tls and tls.client_authority else ssl.CERT_NONE,
        )
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        listening = socket.create_server((address.host.strip("[]"), address.port), family=family, backlog=128)
        self.http_port = int(listening.getsockname()[1])
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        while not server.started:
            if serving.done():
                await serving
                raise OSError("the HTTP server stopped during startup")
            await asyncio.sleep(0.01)
        return server, serving
