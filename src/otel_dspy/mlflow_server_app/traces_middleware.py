"""ASGI middleware of MLflow's OTLP endpoint: otel-dspy's spans are written as the bridge writes them.

| Spans of a request | Written by |
|---|---|
| of a trace with a span of otel-dspy in the request | otel-dspy |
| all others, and those whose mapping raises | MLflow's own ingest |

A span is written by one of them, so that nothing is there twice. A request without spans of otel-dspy is passed on
unchanged.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from starlette.datastructures import Headers

from otel_dspy.bridge.request_answer import RequestStatus
from otel_dspy.bridge.servers import http_responses
from otel_dspy.mlflow.tracking.requests import workspaces
from otel_dspy.mlflow_server_app import mlflow_ingest, split_request
from otel_dspy.mlflow_server_app.request_body import ReceivedBody, is_post
from otel_dspy.otlp_requests.protobuf_spans import TooLargeError, parsed_request, resource_attributes
from otel_dspy.runtime.bounded_dict import BoundedDict

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Receive, Scope, Send

    from otel_dspy.bridge.intake import Intake
    from otel_dspy.bridge.request_answer import Answer
    from otel_dspy.mlflow_server_app.request_experiment_routing import RequestExperimentRouter
    from otel_dspy.mlflow_server_app.split_request import SplitRequest

_logger = logging.getLogger(__name__)


_KNOWN: Final = 1000
"""Experiments to remember; each costs a query when it is first named."""


class TracesMiddleware:
    """Middleware between MLflow's own and its routes."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        path: str,
        intake: Callable[[], Intake],
        experiments: RequestExperimentRouter,
        limit: int,
    ) -> None:
        """Create the middleware.

        Args:
            app: MLflow's app below it.
            path: path of MLflow's OTLP endpoint.
            intake: returns the writer of otel-dspy's spans, which is created on the first call.
            experiments: chooses the experiment of a span.
            limit: maximum size of a decompressed request in bytes; larger ones are left to MLflow's own ingest.
        """
        self._app = app
        self._path = path
        self._intake = intake
        self._experiments = experiments
        self._limit = limit
        self._known: BoundedDict[tuple[str | None, str], None] = BoundedDict(_KNOWN)
        """Workspaces and ids of experiments that exist."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request."""
        if not is_post(scope, self._path):
            await self._app(scope, receive, send)
            return
        body = await ReceivedBody.read(receive)
        try:
            response = await self._response(scope, body.content())
        except TooLargeError as error:
            _logger.warning("%s: its spans are left to MLflow's own ingest", error)
            response = None
        except Exception:
            _logger.exception("Writing a request as runs failed; its spans are left to MLflow's own ingest")
            response = None
        await (response or self._app)(scope, body.replay(), send)

    async def _response(self, scope: Scope, body: bytes | None) -> ASGIApp | None:
        """Return the response to a request with spans of otel-dspy; None if the request is for MLflow as it is."""
        headers = Headers(scope=scope)
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if body is None or kind not in {http_responses.PROTOBUF, http_responses.JSON}:
            return None
        as_json = kind == http_responses.JSON
        encoding = headers.get("content-encoding", "")
        # In a thread: other requests of this worker are served meanwhile.
        parts = await asyncio.to_thread(split_request.split, body, encoding, self._limit, as_json=as_json)
        if parts is None:
            return None
        experiment = headers.get(mlflow_ingest.EXPERIMENT_HEADER.decode())
        if experiment and not await self._exists(experiment):
            return None
        answer = await self._written(parts, experiment)
        rest = split_request.joined(parts.others, split_request.chosen(parts.ours, answer.unmapped))
        if rest and (answer.status is RequestStatus.TAKEN or answer.unmapped):
            stored = await mlflow_ingest.ingest(self._app, scope, rest, await self._experiment_id(rest, experiment))
            if stored.stored:
                answer = _without_unmapped(answer)
            elif answer.status is RequestStatus.TAKEN:
                return stored
        return http_responses.response(answer, as_json=as_json)

    async def _written(self, parts: SplitRequest, experiment: str | None) -> Answer:
        async def content() -> bytes:
            return parts.ours

        workspace = workspaces.active() or None

        async def attempt() -> Answer:
            return await self._intake().take(content, protocol="http", experiment=experiment, workspace=workspace)

        answer = await attempt()
        if answer.status is RequestStatus.LATER and answer.unmapped:
            # An unexpected error has interrupted the commit; another request of it may have been the cause.
            answer = await attempt()
        return answer

    async def _exists(self, experiment_id: str) -> bool:
        """Return whether an experiment exists, also while it is deleted."""
        name = (workspaces.active(), experiment_id)
        if name not in self._known and await asyncio.to_thread(self._experiments.lacks, experiment_id):
            return False
        self._known[name] = None
        return True

    async def _experiment_id(self, rest: bytes, header: str | None) -> str | None:
        """Return the experiment of spans for MLflow's own ingest, whose request names none in MLflow's header."""
        if header:
            return None
        resource = resource_attributes(parsed_request(rest).resource_spans[0].resource)
        return await asyncio.to_thread(self._experiments.named_id, resource)


def _without_unmapped(answer: Answer) -> Answer:
    """Return the answer after MLflow's own ingest has stored the spans that could not be mapped."""
    if not answer.unmapped:
        return answer
    reason = answer.message or "unexpected error"
    _logger.warning("%d spans were stored by MLflow's own ingest alone: %s", len(answer.unmapped), reason)
    rejected = max(0, answer.rejected - len(answer.unmapped))
    message = answer.message if rejected else ""
    return replace(answer, status=RequestStatus.TAKEN, rejected=rejected, message=message, unmapped=frozenset())
