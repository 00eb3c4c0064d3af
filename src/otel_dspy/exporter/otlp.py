"""OpenTelemetry's own OTLP exporters, split by size: set `OTEL_TRACES_EXPORTER=otlp_by_size`."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, cast

from otel_dspy.exporter.redirects import REDIRECTS, redirect_text
from otel_dspy.exporter.splitting import MAX_BYTES, SplittingSpanExporter

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

_logger = logging.getLogger(__name__)

PROTOCOL_VARIABLES: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
MAX_BYTES_VARIABLE: Final = "OTEL_DSPY_EXPORT_MAX_BYTES"
REDIRECT_PAUSE: Final = 5.0
"""Seconds after which an endpoint that redirects is tried again."""
_BUSY: Final = frozenset({429, 502, 503, 504})


class OtlpBySizeExporter(SplittingSpanExporter):
    """OTLP over gRPC or HTTP, as OpenTelemetry's environment variables say; nothing is lost for a batch's size.

    Spans for which the receiver asks for more time than a request has (`Retry-After`, `RetryInfo`), and those that a
    redirect has sent away, are kept in memory and sent again with later batches: 16 MiB at most.
    """

    def __init__(self, *, protocol: str | None = None, max_bytes: int | None = None, **options: Any) -> None:  # noqa: ANN401 - passed on to the exporter
        """Create it.

        Args:
            protocol: `grpc` or `http/protobuf`; else OTEL_EXPORTER_OTLP_(TRACES_)PROTOCOL, else `grpc`.
            max_bytes: of a request; else OTEL_DSPY_EXPORT_MAX_BYTES, else 3 MiB.
            options: of the exporter of that protocol: `endpoint`, `headers`, `timeout`, …

        Raises:
            ValueError: the protocol is neither.
            ImportError: its exporter is not installed.
        """
        chosen = protocol or next(filter(None, map(os.environ.get, PROTOCOL_VARIABLES)), "grpc")
        refusal = Refusal()
        if chosen == "grpc":
            exporter = refusal.over_grpc(options)
        elif chosen == "http/protobuf":
            exporter = refusal.over_http(options)
        else:
            raise ValueError(f"protocol {chosen!r} is neither grpc nor http/protobuf")
        super().__init__(exporter, refusal.was_for_size, max_bytes or _max_bytes(), retry_after=refusal.seconds_to_wait)


class Refusal:
    """What the last request failed for: the exporters tell no more than that it did."""

    def __init__(self) -> None:
        self._for_size = False
        self._seconds: float | None = None

    def seconds_to_wait(self) -> float | None:
        """Seconds after which the receiver may take the request; None if it named none. Reading it forgets it."""
        found, self._seconds = self._seconds, None
        return found

    def was_for_size(self) -> bool:
        """Whether it was too large. Asking forgets it."""
        found, self._for_size = self._for_size, False
        return found

    def over_http(self, options: dict[str, Any]) -> SpanExporter:
        """An exporter over HTTP that notes an answer 413 and `Retry-After`, and takes a redirect for a failure."""
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
        """An exporter over gRPC that notes RESOURCE_EXHAUSTED, and does not try that again as it is."""
        import grpc  # noqa: PLC0415 - only with this protocol
        from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - the same

        refusal = self
        failure: type[Exception] = cast("Any", grpc).RpcError
        codes: Any = cast("Any", grpc).StatusCode

        class TooLargeError(failure):
            """Stands for RESOURCE_EXHAUSTED, which the exporter would repeat until its time is over."""

            def code(self) -> Any:  # noqa: ANN401 - grpc.StatusCode, untyped
                """Final."""
                return codes.INVALID_ARGUMENT

            def details(self) -> str:
                """What the log says."""
                return "the receiver found it too large; it is sent again in halves"

            def trailing_metadata(self) -> tuple[()]:
                """Nothing."""
                return ()

        class Watched:
            """A stub whose failures are noted."""

            def __init__(self, stub: Any) -> None:  # noqa: ANN401 - generated code, untyped
                self._stub = stub

            def Export(self, **call: Any) -> Any:  # noqa: ANN401, N802 - the stub's
                """Send."""
                refusal._seconds = None
                try:
                    return self._stub.Export(**call)
                except failure as error:
                    told: Any = error
                    asked = [
                        value for key, value in told.trailing_metadata() or () if key == "google.rpc.retryinfo-bin"
                    ]
                    asked_to_wait = bool(asked)
                    refusal._seconds = _retry_delay(asked[0]) if asked else None
                    if told.code() is codes.RESOURCE_EXHAUSTED and not asked_to_wait:
                        refusal._for_size = True
                        raise TooLargeError from error
                    raise

        class Exporter(OTLPSpanExporter):
            """The exporter with a watched stub, also after it has connected anew."""

            def _initialize_channel_and_stub(self) -> None:
                super()._initialize_channel_and_stub()
                self._client = cast("Any", Watched(self._client))

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
    text = os.environ.get(MAX_BYTES_VARIABLE, "").strip()
    if text.isdecimal() and int(text) > 0:
        return int(text)
    if text:
        _logger.warning("%s: %r is no number of bytes; %d is used", MAX_BYTES_VARIABLE, text, MAX_BYTES)
    return MAX_BYTES
