"""OTLP exporter that splits batches by size, around OpenTelemetry's own: `OTEL_TRACES_EXPORTER=otlp_by_size`."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

from otel_dspy.environment.quantities import number_of_bytes
from otel_dspy.environment.variable_names import EXPORT_MAX_BYTES
from otel_dspy.exporter.redirects import REDIRECTS, redirect_text
from otel_dspy.exporter.splitting import MAX_BYTES, SplittingSpanExporter

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

_logger = logging.getLogger(__name__)

PROTOCOL_VARIABLES: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
REDIRECT_PAUSE: Final = 5.0
"""Seconds before the next attempt to an endpoint that redirects."""
_BUSY: Final = frozenset({429, 502, 503, 504})


class OtlpBySizeExporter(SplittingSpanExporter):
    """OTLP exporter over gRPC or HTTP, configured by OpenTelemetry's variables, that loses no batch for its size.

    Retains spans in memory, at most 16 MiB, and resends them with later batches if the receiver requests a longer delay
    than the export timeout (`Retry-After`, `RetryInfo`) or redirects.
    """

    def __init__(self, *, protocol: str | None = None, max_bytes: int | None = None, **options: Any) -> None:  # noqa: ANN401 - passed on to the exporter
        """Create the exporter.

        Args:
            protocol: `grpc` or `http/protobuf`. Default: OTEL_EXPORTER_OTLP_(TRACES_)PROTOCOL, else `grpc`.
            max_bytes: maximum bytes of a request before compression; a larger span is sent alone. Default:
                OTEL_DSPY_EXPORT_MAX_BYTES, else 3 MiB.
            options: keyword arguments of the protocol's exporter: `endpoint`, `headers`, `timeout`, …

        Raises:
            ValueError: the protocol is unknown.
            ImportError: the protocol's exporter is not installed.
        """
        chosen = protocol or next(filter(None, map(os.environ.get, PROTOCOL_VARIABLES)), "grpc")
        rejection = Rejection()
        if chosen == "grpc":
            exporter = rejection.over_grpc(options)
        elif chosen == "http/protobuf":
            exporter = rejection.over_http(options)
        else:
            raise ValueError(f"unknown OTLP protocol {chosen!r}; use grpc or http/protobuf")
        super().__init__(
            exporter, rejection.was_for_size, max_bytes or _max_bytes(), retry_after=rejection.seconds_to_wait
        )


class Rejection:
    """Reason of the last failed request, which OpenTelemetry's exporters do not report."""

    def __init__(self) -> None:
        self._for_size = False
        self._seconds: float | None = None

    def seconds_to_wait(self) -> float | None:
        """Return and reset the retry delay in seconds that the receiver requested; None if it requested none."""
        found, self._seconds = self._seconds, None
        return found

    def was_for_size(self) -> bool:
        """Return and reset whether the request was rejected as too large."""
        found, self._for_size = self._for_size, False
        return found

    def over_http(self, options: dict[str, Any]) -> SpanExporter:
        """Create an HTTP exporter that records status 413 and `Retry-After`, and treats a redirect as a failure."""
        import requests  # noqa: PLC0415 - only with this protocol
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - the same

        session: requests.Session = options.pop("session", None) or requests.Session()

        def answered(response: requests.Response, *_: object, **__: object) -> None:
            self._for_size = response.status_code == requests.codes["request_entity_too_large"]
            self._seconds = _retry_after(response.headers.get("Retry-After")) if response.status_code in _BUSY else None
            if response.status_code in REDIRECTS:
                self._seconds = REDIRECT_PAUSE
                # The SDK counts any status below 400 as success and does not follow.
                text = redirect_text(response.url, response.headers.get("Location"), response.status_code)
                raise requests.TooManyRedirects(text)

        cast("dict[str, list[Any]]", session.hooks)["response"].append(answered)
        return OTLPSpanExporter(session=session, **options)

    def over_grpc(self, options: dict[str, Any]) -> SpanExporter:
        """Create a gRPC exporter that records RESOURCE_EXHAUSTED and does not retry the same request."""
        import grpc  # noqa: PLC0415 - only with this protocol
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - the same

        rejection = self
        failure: type[Exception] = cast("Any", grpc).RpcError
        codes: Any = cast("Any", grpc).StatusCode

        class TooLargeError(failure):
            """Replaces RESOURCE_EXHAUSTED, which the exporter would retry until its timeout."""

            def code(self) -> Any:  # noqa: ANN401 - grpc.StatusCode, untyped
                """Return a status code that is not retried."""
                return codes.INVALID_ARGUMENT

            def details(self) -> str:
                """Return the text for the exporter's log line."""
                return "the receiver rejected the request as too large; it is resent in halves"

            def trailing_metadata(self) -> tuple[()]:
                """Return no metadata."""
                return ()

        class RecordingStub:
            """gRPC stub that records failures."""

            def __init__(self, stub: Any) -> None:  # noqa: ANN401 - generated code, untyped
                self._stub = stub

            def Export(self, **call: Any) -> Any:  # noqa: ANN401, N802 - the stub's
                """Send a request.

                Raises:
                    TooLargeError: the collector has rejected the request for its size.
                """
                rejection._seconds = None
                try:
                    return self._stub.Export(**call)
                except failure as error:
                    call_error: Any = error
                    retry_info = [
                        value
                        for key, value in call_error.trailing_metadata() or ()
                        if key == "google.rpc.retryinfo-bin"
                    ]
                    rejection._seconds = _retry_delay(retry_info[0]) if retry_info else None
                    if call_error.code() is codes.RESOURCE_EXHAUSTED and not retry_info:
                        rejection._for_size = True
                        raise TooLargeError from error
                    raise

        class Exporter(OTLPSpanExporter):
            """Exporter with a recording stub, also after a reconnect."""

            def _initialize_channel_and_stub(self) -> None:
                super()._initialize_channel_and_stub()
                self._client = cast("Any", RecordingStub(self._client))

        return Exporter(**options)


def _retry_after(text: str | None) -> float | None:
    with suppress(TypeError, ValueError):
        seconds = float(text or "")
        return seconds if 0 < seconds < float("inf") else None
    return None


def _retry_delay(retry_info: bytes) -> float | None:
    from google.rpc.error_details_pb2 import RetryInfo  # noqa: PLC0415 - only with this protocol

    with suppress(ValueError, TypeError):
        delay = RetryInfo.FromString(retry_info).retry_delay
        return float(delay.seconds) + delay.nanos / 1e9
    return None


def _max_bytes() -> int:
    text = os.environ.get(EXPORT_MAX_BYTES, "").strip()
    try:
        if not text or (found := number_of_bytes(text)) == 0:
            return MAX_BYTES
    except ValueError as error:
        _logger.warning("%s: %s. Using the default of %d.", EXPORT_MAX_BYTES, error, MAX_BYTES)
        return MAX_BYTES
    return found
