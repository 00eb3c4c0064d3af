"""Sending spool files to an OTLP endpoint, without the resource attributes for MLflow's route."""

from __future__ import annotations

import base64
import http.server
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from otel_dspy.cli import main
from otel_dspy.mlflow.delivery import spool_line
from otel_dspy.mlflow.spool_replay.replay_to_otlp import EndpointError, traces_url
from tests.integration.bridge.certificates import Authority
from tests.support.blank_store import blank_store
from tests.support.encrypted_server import answering
from tests.support.loopback_server import running
from tests.unit.mlflow.delivery.test_spool_line import ROUTE, SPAN

if TYPE_CHECKING:
    from collections.abc import Generator


class Endpoint(http.server.ThreadingHTTPServer):
    """Takes OTLP/JSON, after it has answered with `statuses`."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses: list[int] = []
        self.answer = b""
        self.taken: list[tuple[str, str | None, Any]] = []
        """(path, a header, body)."""
        self.logins: list[str | None] = []


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        """Take one request."""
        assert isinstance(self.server, Endpoint)
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        if status == 200:
            self.server.logins.append(self.headers.get("Authorization"))
            self.server.taken.append((self.path, self.headers.get("x-key"), body))
        self.send_response_only(status)
        if status == 301:
            self.send_header("Location", self.path)
        self.end_headers()
        if status == 200:
            self.wfile.write(self.server.answer)

    def do_GET(self) -> None:
        """Return a web page, as many servers do."""
        self.send_response_only(200)
        self.end_headers()


@pytest.fixture
def endpoint() -> Generator[Endpoint]:
    """An endpoint on a free port."""
    with running(Endpoint()) as server:
        yield server


@pytest.fixture
def spooled(tmp_path: Path) -> Path:
    """A file of two spans, closed."""
    file = tmp_path / "x-control-0001.jsonl"
    file.write_text("\n".join([spool_line.span_line(SPAN, ROUTE)] * 2 + [spool_line.end_line()]) + "\n")
    return file


@pytest.mark.parametrize("rejected", ["Infinity", "[" * 5_000], ids=["infinity", "nested"])
def test_a_damaged_answer_is_one_without_rejected_spans(endpoint: Endpoint, spooled: Path, rejected: str) -> None:
    """The endpoint has accepted the request; what its proxy makes of the body stops no replay."""
    endpoint.answer = f'{{"partialSuccess": {{"rejectedSpans": {rejected}}}}}'.encode()
    assert main(["replay", "--otlp", f"http://127.0.0.1:{endpoint.server_address[1]}", str(spooled)]) == 0
    assert (len(endpoint.taken) > 0, spooled.exists()) == (True, False)


def test_it_is_sent_without_internal_attributes_and_the_file_is_removed(
    endpoint: Endpoint, spooled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 503 is tried again; the headers of the environment ride along; `/v1/traces` is added."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-key=a%20b")
    endpoint.statuses = [503]
    assert main(["replay", "--otlp", f"http://127.0.0.1:{endpoint.server_address[1]}", str(spooled)]) == 0
    ((path, header, body),) = endpoint.taken
    assert (path, header) == ("/v1/traces", "a b")
    assert "otel_dspy.spool" not in json.dumps(body)
    assert [found["scopeSpans"][0]["spans"][0]["spanId"] for found in body["resourceSpans"]] == [SPAN.span_id] * 2
    assert not spooled.exists()


def test_what_is_refused_stays(endpoint: Endpoint, spooled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The status and the file are named."""
    endpoint.statuses = [400]
    assert main(["replay", "--otlp", f"http://127.0.0.1:{endpoint.server_address[1]}/v1/traces", str(spooled)]) == 1
    assert spooled.exists()
    texts = capsys.readouterr().out
    assert str(spooled) in texts
    assert "status 400" in texts


def test_a_password_in_the_url_is_shown_to_the_endpoint_alone(
    endpoint: Endpoint, spooled: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It goes out as a login, and what is printed names the endpoint without it."""
    url = f"http://me:ge%40heim@127.0.0.1:{endpoint.server_address[1]}"
    endpoint.statuses = [400]
    assert main(["replay", "--otlp", url, str(spooled)]) == 1
    texts = capsys.readouterr().out
    assert f"http://me@127.0.0.1:{endpoint.server_address[1]} did not accept the file: status 400" in texts
    assert "heim" not in texts
    assert main(["replay", "--otlp", url, str(spooled)]) == 0
    assert endpoint.logins == [f"Basic {base64.b64encode(b'me:ge@heim').decode()}"]


@pytest.mark.parametrize(
    "url", ["http://[::1", "http://me:geheim@[::1", "http://me:ge/heim@host", "http://host:geheim", "localhost:4318"]
)
def test_what_is_no_url_is_one_line(url: str, spooled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With what is wrong, where it comes from and what to do; without a password, and however many files wait."""
    assert main(["replay", "--otlp", url, str(spooled), str(spooled.parent)]) == 1
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("--otlp '")
    assert "is not an http:// or https:// URL" in line
    assert line.endswith("Write it as http://HOST:PORT; nothing was sent.")
    assert "me:" not in line
    assert spooled.exists()


@pytest.mark.parametrize("variable", ["OTEL_EXPORTER_OTLP_CERTIFICATE", "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE"])
def test_an_endpoint_with_an_authority_of_its_own(
    variable: str, spooled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The variables of OpenTelemetry's exporters name it; that of the traces has precedence."""
    authority = Authority(tmp_path, "authority")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(Authority(tmp_path, "another").certificate))
    monkeypatch.setenv(variable, str(authority.certificate))
    with answering(authority.sign("server")) as port:
        assert main(["replay", "--otlp", f"https://127.0.0.1:{port}", str(spooled)]) == 0
    assert not spooled.exists()


def test_an_endpoint_that_asks_for_a_certificate(
    spooled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Certificate and key of the client are those of the exporters' variables."""
    authority = Authority(tmp_path, "authority")
    client = authority.sign("client")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(authority.certificate))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", str(client.certificate))
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CLIENT_KEY", str(client.key))
    with answering(authority.sign("server"), clients_of=authority) as port:
        assert main(["replay", "--otlp", f"https://127.0.0.1:{port}", str(spooled)]) == 0
    assert not spooled.exists()


def test_a_certificate_that_is_not_there(
    endpoint: Endpoint, spooled: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line names the variable, at once; the file stays."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", "missing.pem")
    assert main(["replay", "--otlp", f"https://127.0.0.1:{endpoint.server_port}", str(spooled)]) == 1
    assert "OTEL_EXPORTER_OTLP_CERTIFICATE names 'missing.pem', which is not a file" in capsys.readouterr().out
    assert spooled.exists()


def test_a_redirect_takes_nothing(endpoint: Endpoint, spooled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Followed, it would be a GET without the spans, and answered with 200."""
    endpoint.statuses = [301]
    assert main(["replay", "--otlp", f"http://127.0.0.1:{endpoint.server_address[1]}", str(spooled)]) == 1
    assert spooled.exists()
    assert "status 301" in capsys.readouterr().out


def test_spans_that_are_rejected_stay(endpoint: Endpoint, spooled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An answer of success that counts rejected spans."""
    endpoint.answer = b'{"partialSuccess": {"rejectedSpans": "1"}}'
    assert main(["replay", "--otlp", f"http://127.0.0.1:{endpoint.server_address[1]}", str(spooled)]) == 1
    assert spooled.exists()
    assert "1 of 2 spans were rejected" in capsys.readouterr().out


@pytest.mark.parametrize("to", ["otlp", "mlflow"])
@pytest.mark.parametrize("content", [b'{"my": "only copy"}', b"\x00\x01", b"[" * 100_000])
def test_a_file_of_another_origin_is_kept(
    to: str, content: bytes, endpoint: Endpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where its only line has no end, as after a crash."""
    file = tmp_path / "notes.json"
    file.write_bytes(content)
    url = f"http://127.0.0.1:{endpoint.server_address[1]}"
    where = ["--otlp", url] if to == "otlp" else ["--tracking-uri", blank_store(tmp_path)]
    assert main(["replay", *where, str(file)]) == 1
    assert file.read_bytes() == content
    assert f"{file}, line 1: skipped" in capsys.readouterr().out


def test_a_file_that_cannot_be_removed(
    endpoint: Endpoint, spooled: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The error is printed; the following files are sent all the same."""
    second = spooled.with_name("x-control-0002.jsonl")
    second.write_bytes(spooled.read_bytes())
    unlink = Path.unlink

    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        if path == spooled:
            raise PermissionError(13, "Permission denied")
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    url = f"http://127.0.0.1:{endpoint.server_address[1]}"
    assert main(["replay", "--otlp", url, str(spooled), str(second)]) == 1
    assert (spooled.exists(), second.exists()) == (True, False)
    assert f"{spooled} cannot be removed: Permission denied" in capsys.readouterr().out


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The error is printed and the exit status is 1."""
    assert main(["replay", "--otlp", "http://127.0.0.1:9", str(tmp_path / "none.jsonl")]) == 1
    assert "no such file" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://host:4318", "http://host:4318/v1/traces"),
        ("https://host/base/", "https://host/base/v1/traces"),
        ("https://host/v1/traces?x=1", "https://host/v1/traces?x=1"),
    ],
)
def test_urls(given: str, url: str) -> None:
    """A base URL or the whole."""
    assert traces_url(given) == url


def test_no_url() -> None:
    """The error is printed before anything is sent."""
    with pytest.raises(EndpointError, match="not an http"):
        traces_url("localhost:4318")
