"""OTLP/HTTP responses: the outcome of a request in protobuf or JSON."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import json_format
from google.rpc import code_pb2
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.responses import Response

from otel_dspy.bridge.request_answer import RETRY_AFTER, RequestStatus

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from otel_dspy.bridge.request_answer import Answer

PROTOBUF: Final = "application/x-protobuf"
JSON: Final = "application/json"

_CODES: Final = {
    HTTPStatus.BAD_REQUEST: code_pb2.INVALID_ARGUMENT,
    HTTPStatus.UNAUTHORIZED: code_pb2.UNAUTHENTICATED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: code_pb2.RESOURCE_EXHAUSTED,
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: code_pb2.INVALID_ARGUMENT,
    HTTPStatus.SERVICE_UNAVAILABLE: code_pb2.UNAVAILABLE,
}
"""`google.rpc` codes of OTLP error responses, by HTTP status."""


def response(answer: Answer, *, as_json: bool) -> Response:
    """Return the response for the outcome of a request.

    Args:
        answer: the outcome.
        as_json: whether the client sent JSON, and is answered in JSON.
    """
    match answer.status:
        case RequestStatus.MALFORMED:
            return failure(HTTPStatus.BAD_REQUEST, answer.message, as_json=as_json)
        case RequestStatus.TOO_LARGE:
            return failure(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, answer.message, as_json=as_json)
        case RequestStatus.LATER:
            return failure(HTTPStatus.SERVICE_UNAVAILABLE, answer.message, as_json=as_json)
        case RequestStatus.TAKEN:
            accepted = ExportTraceServiceResponse()
            if answer.message:
                accepted.partial_success.rejected_spans = answer.rejected
                accepted.partial_success.error_message = answer.message
            return _encoded(HTTPStatus.OK, accepted, as_json=as_json)


def failure(status: HTTPStatus, text: str, *, as_json: bool) -> Response:
    """Return an error response.

    Args:
        status: one of the statuses that OTLP names.
        text: the reason, for a human reader.
        as_json: whether the client is answered in JSON.
    """
    found = _encoded(status, Status(code=_CODES[status], message=text), as_json=as_json)
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        found.headers["Retry-After"] = str(RETRY_AFTER)
    if status is HTTPStatus.UNAUTHORIZED:
        found.headers["WWW-Authenticate"] = "Bearer"
    return found


def _encoded(status: HTTPStatus, message: Message, *, as_json: bool) -> Response:
    if as_json:
        found: dict[str, Any] = json_format.MessageToDict(message)
        return Response(json.dumps(found), status, media_type=JSON)
    return Response(message.SerializeToString(), status, media_type=PROTOBUF)
