"""The doctor names what prevents an OTLP/HTTP endpoint from accepting spans, and the variable to change."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest

from otel_dspy.diagnosis.checks import exporters, otlp_requests
from otel_dspy.mlflow.tracking.store.traces import trace_batch
from otel_dspy.mlflow.tracking.store.traces.trace_batch import BatchAnswer
from tests.integration.bridge.certificates import Authority
from tests.support.encrypted_server import answering
from tests.support.loopback_server import LoopbackHandler, serving
from tests.support.silent_server import silent_server

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

ENDPOINT: Final = "OTEL_EXPORTER_OTLP_ENDPOINT"
OF_TRACES: Final = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
HEADERS: Final = "OTEL_EXPORTER_OTLP_HEADERS"


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy and no `.netrc`; servers of this process are waited for, however busy it is."""
    for check in (exporters, otlp_requests):
        monkeypatch.setattr(check, "TIMEOUT", 60.0)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NETRC", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def receiver(
    status: int, body: bytes = b"", received: list[Mapping[str, str]] | None = None, **headers: str
) -> Generator[str]:
    """A server whose every answer is this one, and that keeps the headers that it receives; its address."""

    class Handler(LoopbackHandler):
        def do_POST(self) -> None:
            if received is not None:
                received.append(dict(self.headers.items()))
            self.read_body()
            self.answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})

    with serving(Handler) as port:
        yield f"http://127.0.0.1:{port}"


def found(**environment: str) -> list[tuple[str, str]]:
    """Level and text of the findings for an exporter of traces over HTTP."""
    whole = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", **environment}
    return [(finding.level.value, finding.text) for finding in exporters.exporters(whole)]


def problem(text: str) -> tuple[str, str]:
    """A finding that is one."""
    return "problem", text


def accepted(address: str) -> list[tuple[str, str]]:
    """What is found where nothing is wrong."""
    return [("ok", f"traces (http/protobuf) to {address.partition('://')[2]}: accepts connections")]


@pytest.mark.parametrize("status", [401, 403])
def test_credentials(status: int) -> None:
    """None where some are required, and invalid ones: the variable to set, and no value of it."""
    with receiver(status) as address:
        assert found(**{ENDPOINT: address}) == [
            problem(
                f"{address}/v1/traces requires credentials (status {status}): set {HEADERS} to the header "
                "that the receiver requires, as NAME=VALUE"
            )
        ]
        own = "OTEL_EXPORTER_OTLP_TRACES_HEADERS"
        for headers in ({HEADERS: "api-key=geheim"}, {HEADERS: "other=1", own: "api-key=geheim"}):
            assert found(**{ENDPOINT: address}, **headers) == [
                (
                    "problem",
                    f"{address}/v1/traces rejects the credentials in {list(headers)[-1]} (status {status}): set valid ones",
                )
            ]
        in_address = address.replace("://", "://me:geheim@")
        assert found(**{ENDPOINT: in_address}) == [
            ("problem", f"{address}/v1/traces rejects the credentials in {ENDPOINT} (status {status}): set valid ones")
        ]
        provider = "OTEL_PYTHON_EXPORTER_OTLP_HTTP_CREDENTIAL_PROVIDER"
        ((level, text),) = found(**{ENDPOINT: address, provider: "cloud"})
        assert (level, text.endswith("which a credential provider adds: not checked")) == ("note", True)


def test_the_request_is_the_exporters() -> None:
    """It has the headers of the signal, decoded, and user and password of the address."""
    received: list[Mapping[str, str]] = []
    with receiver(200, received=received) as address:
        in_address = address.replace("://", "://me:ge%40heim@")
        assert found(**{ENDPOINT: in_address, HEADERS: "api-key=a%20b,x-scope=one"}) == accepted(address)
    assert received[0]["api-key"] == "a b"
    assert received[0]["x-scope"] == "one"
    assert received[0]["Authorization"] == "Basic bWU6Z2VAaGVpbQ=="


@pytest.mark.parametrize("status", [404, 405])
@pytest.mark.parametrize(
    ("variable", "path", "asked", "remedy"),
    [
        (
            ENDPOINT,
            "/v1/traces",
            "/v1/traces/v1/traces",
            f"remove /v1/traces from {ENDPOINT}, to which the exporter appends it",
        ),
        (OF_TRACES, "", "/", f"append /v1/traces to {OF_TRACES}, which the exporter uses as it is"),
        (OF_TRACES, "/otlp?key=geheim", "/otlp", f"append /v1/traces to {OF_TRACES}, which the exporter uses as it is"),
        (ENDPOINT, "/otlp", "/otlp/v1/traces", f"correct the path in {ENDPOINT}"),
        (
            ENDPOINT,
            "/",
            "/v1/traces",
            f"{ENDPOINT} must be the address of a receiver of traces by OTLP/HTTP (usually port 4318)",
        ),
    ],
)
def test_a_wrong_path(status: int, variable: str, path: str, asked: str, remedy: str) -> None:
    """The end of the path is missing, or twice there; it is named without a query, which may have a key."""
    with receiver(status) as address:
        assert found(**{variable: f"{address}{path}"}) == [
            ("problem", f"{address}{asked} accepts no OTLP there (status {status}): {remedy}")
        ]


@pytest.mark.parametrize(
    ("status", "level", "text"),
    [
        (500, "problem", "fails (status 500): see the receiver's log"),
        (502, "problem", "fails (status 502): see the receiver's log"),
        (
            503,
            "warning",
            "is busy (status 503): what it does not accept within the exporter's timeout is dropped",
        ),
        (429, "warning", "is busy (status 429): what it does not accept within the exporter's timeout is dropped"),
        (400, "note", "rejects a request without data (status 400), and may accept others"),
    ],
)
def test_other_answers(status: int, level: str, text: str) -> None:
    """A receiver may reject a request for being empty, and be busy for a moment only."""
    with receiver(status) as address:
        assert found(**{ENDPOINT: address}) == [(level, f"{address}/v1/traces {text}")]


def test_a_web_page() -> None:
    """A login page or a user interface answers each path with status 200: the exporter would count that as success."""
    with receiver(200, b"<html>", Content_Type="text/html; charset=utf-8") as address:
        ((level, text),) = found(**{ENDPOINT: f"{address}/ui"})
    assert (level, text) == (
        "problem",
        f"{address}/ui/v1/traces answers with a web page (status 200): correct the path in {ENDPOINT}",
    )


def test_mlflows_endpoint_requires_a_header() -> None:
    """MLflow 3.17 answers as FastAPI does; with the header it rejects the request for having no spans."""
    missing = b'{"detail":[{"type":"missing","loc":["header","x-mlflow-experiment-id"],"msg":"Field required"}]}'
    with receiver(422, missing) as address:
        assert found(**{ENDPOINT: address}) == [
            problem(
                f"{address}/v1/traces is MLflow's (status 422): add x-mlflow-experiment-id=ID to "
                "OTEL_EXPORTER_OTLP_TRACES_HEADERS"
            )
        ]


def test_mlflow_with_the_app_needs_no_header() -> None:
    """The server app accepts spans of otel-dspy without the header, and requests without one of them as MLflow does."""
    missing = b'{"detail":[{"type":"missing","loc":["header","x-mlflow-experiment-id"],"msg":"Field required"}]}'
    batches: list[bytes] = []

    class Handler(LoopbackHandler):
        def do_POST(self) -> None:
            body = self.read_body()
            if self.headers["Content-Type"] == trace_batch.MEDIA_TYPE:
                batches.append(body)
                self.answer(200, BatchAnswer([], []).encoded())
            else:
                self.answer(422, missing)

    with serving(Handler) as port:
        address = f"http://127.0.0.1:{port}"
        ((level, text),) = found(**{ENDPOINT: address})
    assert level == "note"
    assert text == (
        f"{address}/v1/traces is MLflow's, with the app otel-dspy: it accepts requests with spans of otel-dspy, and "
        "others only with x-mlflow-experiment-id=ID in OTEL_EXPORTER_OTLP_TRACES_HEADERS"
    )
    assert batches == [b""]


def test_signals_of_one_place_are_apart() -> None:
    """What accepts traces may have no metrics."""

    class Handler(LoopbackHandler):
        def do_POST(self) -> None:
            self.answer(200 if self.path == "/v1/traces" else 404)

    with serving(Handler) as port:
        address = f"http://127.0.0.1:{port}"
        (first, (level, text)) = found(**{ENDPOINT: address, "OTEL_METRICS_EXPORTER": "otlp"})
    assert [first] == accepted(address)
    assert (level, text.partition(": ")[0]) == ("problem", f"{address}/v1/metrics accepts no OTLP there (status 404)")


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("localhost:4318", "localhost:4318"),
        ("grpc://localhost:4318", "grpc://localhost:4318"),
        ("me:geheim@localhost:4318", "me@localhost:4318"),
    ],
)
def test_an_address_that_requests_cannot_use(address: str, shown: str) -> None:
    """Without a scheme the exporter fails at each request."""
    text = "the exporter cannot send to an address that does not begin with http:// or https://"
    assert found(**{ENDPOINT: address}) == [problem(f"{ENDPOINT}={shown}: {text}")]
    invalid = "is not a valid address: Invalid IPv6 URL. Use http://HOST:PORT"
    assert found(**{ENDPOINT: "me:geheim@[::1"}) == [problem(f"{ENDPOINT}=me@[::1 {invalid}")]


@pytest.mark.parametrize(("scheme", "port"), [("http", 80), ("https", 443)])
def test_the_port_of_an_address_without_one(scheme: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `requests` has it, and not OTLP's."""
    asked: list[tuple[str, int]] = []

    def connect(address: tuple[str, int], *_: Any) -> socket.socket:
        asked.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", connect)
    found(**{ENDPOINT: f"{scheme}://collector.example"})
    assert asked == [("collector.example", port)]


def test_with_and_without_tls(tmp_path: Path) -> None:
    """Sent to a port with TLS without it, and the other way round."""
    with answering(Authority(tmp_path, "authority").sign("server")) as port:
        assert found(**{ENDPOINT: f"http://127.0.0.1:{port}"}) == [
            ("problem", f"http://127.0.0.1:{port}/v1/traces requires TLS: {ENDPOINT} must begin with https://")
        ]
    with answering(None) as port:
        assert found(**{ENDPOINT: f"https://127.0.0.1:{port}"}) == [
            ("problem", f"https://127.0.0.1:{port}/v1/traces does not use TLS: {ENDPOINT} must begin with http://")
        ]


def test_something_that_is_no_http_server() -> None:
    """It closes each connection: a cause, and no query of the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, ended = listener.getsockname()[1], threading.Event()

        def close_all() -> None:
            while not ended.is_set():
                connection, _ = listener.accept()
                connection.close()

        thread = threading.Thread(target=close_all)
        thread.start()
        ((level, text),) = found(**{ENDPOINT: f"http://127.0.0.1:{port}/?key=geheim"})
        ended.set()
        socket.create_connection(("127.0.0.1", port)).close()
        thread.join()
    assert level == "problem"
    assert text.startswith(f"http://127.0.0.1:{port}/v1/traces does not answer: ")
    assert "geheim" not in text


def test_a_server_that_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be slow: a warning."""
    monkeypatch.setattr(otlp_requests, "TIMEOUT", 0.2)
    with silent_server() as server:
        assert found(**{ENDPOINT: server.address}) == [
            ("warning", f"{server.address}/v1/traces does not answer within 0 s")
        ]


@pytest.mark.parametrize("value", ["api-key=a%0Ageheim", "api-key=geheim%E2%82%AC"])
def test_a_header_that_cannot_be_sent(value: str) -> None:
    """It has a line break, or a character that headers cannot have; the finding has none of it."""
    with receiver(200) as address:
        assert found(**{ENDPOINT: address, HEADERS: value}) == [
            ("problem", f"{address}/v1/traces: the exporter cannot send a header: correct {HEADERS}")
        ]


def test_a_header_without_a_name(caplog: pytest.LogCaptureFixture) -> None:
    """The exporter logs it, with its value, and sends the others; the finding and the log have no value."""
    with receiver(200) as address:
        first, second = found(**{ENDPOINT: address, HEADERS: "geheim,x-scope=one"})
    assert [first] == accepted(address)
    assert second == ("warning", f"{HEADERS} has an entry that is not NAME=VALUE: the exporter does not send it")
    assert "geheim" not in caplog.text


def test_an_exporter_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The protocol by default is gRPC, which a package of its own provides."""
    entry_points = exporters.metadata.entry_points

    def without_grpc(*, group: str) -> Any:
        found = entry_points(group=group)
        return type(found)(one for one in found if one.name != "otlp_proto_grpc")

    monkeypatch.setattr(exporters.metadata, "entry_points", without_grpc)
    with receiver(200) as address:
        ((level, text),) = found(**{ENDPOINT: address, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    assert (level, text) == problem(
        f"traces by grpc to {address.partition('://')[2]} were not checked: the exporter is not installed. "
        "pip install opentelemetry-exporter-otlp-proto-grpc, or set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf"
    )
