"""Trace batches of deliveries, written to the server's own store.

A batch arrives at MLflow's OTLP endpoint, so that MLflow's permissions for the experiment in its header apply.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

from mlflow.exceptions import MlflowException
from starlette.datastructures import Headers
from starlette.responses import Response

from otel_dspy.bridge.decompression import decompressed
from otel_dspy.bridge.servers.http_responses import JSON
from otel_dspy.mlflow.tracking.requests.concurrent_requests import ConcurrentRequests, Request
from otel_dspy.mlflow.tracking.store.local_writes import LocalRequests
from otel_dspy.mlflow.tracking.store.store import Store
from otel_dspy.mlflow.tracking.store.traces import trace_batch
from otel_dspy.mlflow.tracking.store.traces.trace_batch import BatchAnswer, InfoWrite, decoded
from otel_dspy.mlflow_server_app.request_body import ReceivedBody, is_post
from otel_dspy.otlp_requests.protobuf_spans import TooLargeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

    from otel_dspy.mlflow.tracking.store.traces.trace_batch import SpansWrite


class TraceBatchMiddleware:
    """Middleware between MLflow's own and `TracesMiddleware`."""

    def __init__(
        self, app: ASGIApp, *, path: str, tracking_uri: str, limit: int, may_assess: Callable[[Scope, str], bool]
    ) -> None:
        """Create the middleware.

        Args:
            app: MLflow's app below it.
            path: path of MLflow's OTLP endpoint.
            tracking_uri: the server's own store.
            limit: maximum size of a decompressed request in bytes.
            may_assess: returns whether the user of a request may write assessments on traces of an experiment.
        """
        self._app = app
        self._may_assess = may_assess
        self._path = path
        self._tracking_uri = tracking_uri
        self._limit = limit
        self._store = functools.cache(partial(Store, tracking_uri))
        self._writing = asyncio.Lock()
        """Writes of one process follow one another: those to sqlite would wait for each other anyway, in threads that
        other requests need."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if is_post(scope, self._path):
            headers = Headers(scope=scope)
            experiment = headers.get(trace_batch.EXPERIMENT_HEADER)
            if experiment and headers.get("content-type") == trace_batch.MEDIA_TYPE:
                content = (await ReceivedBody.read(receive)).content()
                if content is None:
                    # MLflow's middlewares raise an error for a request without a response.
                    response = Response("the client has disconnected", HTTPStatus.BAD_REQUEST)
                else:
                    response = await self._response(content, headers.get("content-encoding", ""), experiment, scope)
                await response(scope, receive, send)
                return
        await self._app(scope, receive, send)

    async def _response(self, body: bytes, encoding: str, experiment_id: str, scope: Scope) -> Response:
        """Write a batch and return the response: 400 if the batch is invalid, 403 without permission, 413 if too large.

        Args:
            body: the body as received.
            encoding: the `Content-Encoding`.
            experiment_id: MLflow's header, for which MLflow has checked the permissions for spans.
            scope: the request's ASGI scope.
        """
        try:
            # In a thread, with the workspace of the request: other requests of this worker are served meanwhile.
            async with self._writing:
                answer = await asyncio.to_thread(self._written, body, encoding, experiment_id, scope)
        except TooLargeError as error:
            return Response(str(error), HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        except PermissionError as error:
            return Response(str(error), HTTPStatus.FORBIDDEN)
        except (MlflowException, ValueError) as error:
            return Response(str(error), HTTPStatus.BAD_REQUEST)
        return Response(answer.encoded(), media_type=JSON)

    def _written(self, body: bytes, encoding: str, experiment_id: str, scope: Scope) -> BatchAnswer:
        writes = list(decoded(decompressed(body, encoding, self._limit)))
        infos = [write.info for write in writes if isinstance(write, InfoWrite)]
        if any(info.experiment_id != experiment_id for info in infos):
            raise ValueError("a trace info is of another experiment than the request")
        if any(info.assessments for info in infos) and not self._may_assess(scope, experiment_id):
            raise PermissionError("the user must not write assessments")
        accepted: list[bool | None] = []
        transactions: list[range] = []
        for exists, group in itertools.groupby(writes, lambda one: isinstance(one, InfoWrite) and one.exists):
            requests = [self._request(write, experiment_id) for write in group]
            found = self._one_by_one(requests) if exists else self._together(requests)
            start = len(accepted)
            transactions += (range(start + one.start, start + one.stop) for one in found.transactions)
            accepted += found.accepted
            if not all(found.accepted):
                break
        return BatchAnswer(accepted + [None] * (len(writes) - len(accepted)), transactions)

    def _request(self, write: InfoWrite | SpansWrite, experiment_id: str) -> Request:
        traces = self._store().traces
        if isinstance(write, InfoWrite):
            return Request(lambda: _ignored(traces.write_info(write.info)))
        return Request(partial(traces.write_spans, experiment_id, write.spans), measured=False)

    def _together(self, requests: Sequence[Request]) -> BatchAnswer:
        """Write requests, several in a transaction."""
        together = LocalRequests(self._tracking_uri, None, _never, store=self._store)
        accepted: list[bool | None] = []
        transactions: list[range] = []
        while len(accepted) < len(requests):
            start = len(accepted)
            found = [one for one in together.send(requests[start:]) if one is not None]
            transactions += (range(start + one.start, start + one.stop) for one in together.transactions)
            accepted += found
            if not all(found):
                # Spans that share no transaction are left to the caller.
                accepted[-1:] = self._one_by_one(requests[len(accepted) - 1 : len(accepted)]).accepted
                if not accepted[-1]:
                    break
        return BatchAnswer(accepted, transactions)

    def _one_by_one(self, requests: Sequence[Request]) -> BatchAnswer:
        """Write requests, each on its own: a transaction fails with the info of a trace that exists."""
        return BatchAnswer(ConcurrentRequests(self._tracking_uri, None, _never).send(requests), [])


def _never() -> bool:
    return False


def _ignored(_: object) -> None:
    """Return None, as `Request.send` does."""
