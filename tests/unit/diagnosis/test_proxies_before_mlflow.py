"""Doctor: an address that is answered, and not by MLflow."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from otel_dspy.diagnosis.checks.all_checks import examine
from tests.support.fixed_status_server import listening
from tests.support.loopback_server import LoopbackHandler, serving

if TYPE_CHECKING:
    from collections.abc import Generator


def found(port: int) -> tuple[str, str]:
    """The level and the text of the finding on MLflow there."""
    (only,) = (
        finding
        for finding in examine({"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}"})
        if finding.subject == "mlflow" and "127.0.0.1" in finding.text
    )
    return only.level.value, only.text


@contextmanager
def answering(answer: bytes) -> Generator[int]:
    """A server of another protocol, which answers each connection with these bytes; its port."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


@pytest.mark.parametrize(
    "answer",
    [bytes.fromhex("00000600000000000000040000"), bytes.fromhex("15030100020228"), b"SSH-2.0-Any\r\n"],
    ids=["gRPC", "TLS", "text"],
)
def test_a_server_of_another_protocol_is_named(answer: bytes) -> None:
    """As the port of an OTLP/gRPC receiver, or http:// where TLS is spoken."""
    with answering(answer) as port:
        level, text = found(port)
    assert level == "problem"
    assert text.startswith(f"the MLflow health check of http://127.0.0.1:{port} failed: its answer is not HTTP")


def test_a_proxy_that_knows_only_its_own_health_is_a_problem() -> None:
    """It answers all other requests 404: the path's prefix is missing, or no MLflow is behind it."""
    with listening(404, healthy=True, body=b"404 page not found") as port:
        level, text = found(port)
    assert level == "problem"
    assert text.startswith(
        f"http://127.0.0.1:{port} does not accept MLflow's requests (status 404): MLFLOW_TRACKING_URI"
    )


def test_an_address_that_redirects_to_mlflow_is_a_problem() -> None:
    """MLflow's client, as others, repeats a POST as a GET there, which MLflow answers 405: nothing can be logged."""

    class Handler(LoopbackHandler):
        def do_GET(self) -> None:
            self.read_body()
            if self.path.startswith("/moved"):
                self.answer(200 if self.path.endswith("/health") else 405)
            else:
                self.answer(301, headers={"Location": f"/moved{self.path}"})

        do_POST: Any = do_GET

    with serving(Handler) as port:
        level, text = found(port)
    assert level == "problem"
    assert "(status 405)" in text
    assert "redirects" in text


def test_a_page_of_a_login_is_a_problem() -> None:
    """With status 200, for every request."""
    with listening(200, body=b"<html>Sign in</html>") as port:
        level, text = found(port)
    assert level == "problem"
    assert text.startswith(f"http://127.0.0.1:{port} answers MLflow's requests with a web page or another text: MLFLOW")
