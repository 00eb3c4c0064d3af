"""OpenTelemetry's own OTLP exporters, split by size: set `OTEL_TRACES_EXPORTER=otlp_by_size`."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Final, cast

from otel_dspy.exporter.splitting import MAX_BYTES, SplittingSpanExporter

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

_logger = logging.getLogger(__name__)

PROTOCOL_VARIABLES: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
MAX_BYTES_VARIABLE: Final = "OTEL_DSPY_EXPORT_MAX_BYTES"


class OtlpBySizeExporter(SplittingSpanExporter):
    """OTLP over gRPC or HTTP, as OpenTelemetry's environment variables say; nothing is lost for a batch's size."""

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
        super().__init__(exporter, refusal.was_for_size, max_bytes or _max_bytes())


class Refusal:
    """What the last request failed for: the exporters tell no more than that it did."""

    def __init__(self) -> None:
        self._for_size = False

    def was_for_size(self) -> bool:
        """Whether it was too large. Asking forgets it."""
        found, self._for_size = self._for_size, False
        return found

    def over_http(self, options: dict[str, Any]) -> SpanExporter:
        """An exporter over HTTP that notes an answer 413."""
        import requests  # noqa: PLC0415 - only with this protocol
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - the same

        session: requests.Session = options.pop("session", None) or requests.Session()

        def answered(response: requests.Response, *_: object, **__: object) -> None:
            self._for_size = response.status_code == requests.codes["request_entity_too_large"]

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
                try:
                    return self._stub.Export(**call)
                except failure as error:
                    told: Any = error
                    asked_to_wait = any(key == "google.rpc.retryinfo-bin" for key, _ in told.trailing_metadata() or ())
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


def _max_bytes() -> int:
    text = os.environ.get(MAX_BYTES_VARIABLE, "").strip()
    if text.isdecimal() and int(text) > 0:
        return int(text)
    if text:
        _logger.warning("%s: %r is no number of bytes; %d is used", MAX_BYTES_VARIABLE, text, MAX_BYTES)
    return MAX_BYTES
