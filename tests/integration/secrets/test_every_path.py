"""A secret in every place that can hold one, and every way out of the process: none has a byte of it."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import re
import signal
import sqlite3
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

import pytest

from otel_dspy.cli import main
from tests.integration.secrets.planted import SECRETS
from tests.support.addition_task import half_right
from tests.support.blank_store import blank_store
from tests.support.bridge_process import bridge_process
from tests.support.dspy_answers import dspy_script
from tests.support.instrumented_process import run_initialized
from tests.support.lm_server import scripted_lm
from tests.support.mlflow_server import free_port
from tests.support.otlp_receiver import otlp_receiver

if TYPE_CHECKING:
    from collections.abc import Iterable


PROGRAM = Path(__file__).with_name("planted.py")
EVERYTHING = {
    "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_AND_EVENT",
    "OTEL_DSPY_CAPTURE_PROGRAMS": "true",
    "OTEL_DSPY_CAPTURE_DATASETS": "true",
    "OTEL_DSPY_CAPTURE_ADAPTERS": "true",
    "OTEL_LOG_LEVEL": "debug",
}
"""Nothing is held back but what is never to leave."""
TO_OTLP = {f"OTEL_{signal}_EXPORTER": "otlp" for signal in ("TRACES", "METRICS", "LOGS")}
_ENCODED = re.compile(rb"[A-Za-z0-9+/]{60,}={0,2}")


def spellings(secret: str) -> set[bytes]:
    """As it is, in JSON, in a URL and in a header of the Basic scheme."""
    in_url = quote(secret, safe="")
    return {text.encode() for text in (secret, secret.replace("/", "\\/"), in_url, in_url.lower(), quote(secret))}


def unpacked(content: bytes) -> Iterable[bytes]:
    """The bytes, and what is packed into them: the pieces of long texts are gzipped and in base64."""
    yield content
    for match in _ENCODED.finditer(content):
        encoded = match[0][: len(match[0]) // 4 * 4]
        raw = base64.b64decode(encoded)
        yield raw
        if raw[:2] == b"\x1f\x8b":
            yield zlib.decompressobj(wbits=31).decompress(raw)


def leaks(contents: Iterable[bytes]) -> set[str]:
    """The places whose secret can be read."""
    parts = [part for content in contents for part in unpacked(content)]
    return {
        place
        for place, secret in SECRETS.items()
        for spelling in spellings(secret)
        if any(spelling in part for part in parts)
    }


def files(folder: Path) -> list[bytes]:
    """What stands in every file below."""
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


def recorded(store: Path) -> bool:
    """Whether the store has the compile's run with its trials, and traces."""
    with contextlib.closing(sqlite3.connect(store)) as connection:
        counts = connection.execute("select (select count(*) from runs), (select count(*) from trace_info)")
        runs, traces = cast("tuple[int, int]", counts.fetchone())
    return runs >= 4 and traces >= 4


def planted() -> dict[str, str]:
    """The secrets that stand in the environment."""
    return {
        "SERVICE_PASSWORD": SECRETS["environment"],
        "MLFLOW_TRACKING_TOKEN": SECRETS["token-of-mlflow"],
        "OTEL_EXPORTER_OTLP_HEADERS": f"x-partner={SECRETS['header-of-the-exporter'].replace(' ', '%20')}",
    }


def at_work(folder: Path, **variables: str) -> str:
    """Let the program run to its end, with the spool in the folder; its output."""
    (folder / "spool").mkdir()
    environment = planted() | EVERYTHING | {"OTEL_DSPY_SPOOL_DIR": str(folder / "spool")} | variables
    with scripted_lm(dspy_script({"answer": half_right})) as server:
        done = run_initialized(PROGRAM, server.api_base, **environment)
        assert "answered" in done.stdout, done.stderr[-3000:]
        sent = "".join(str(request.headers) for request in server.requests)
    assert SECRETS["key-of-a-model"] in sent
    assert SECRETS["key-of-a-call"] in sent
    return done.stdout + done.stderr


def test_what_is_looked_for_would_be_found() -> None:
    """In each of its spellings, and packed."""
    hidden = "".join(SECRETS.values()).encode()
    assert leaks([hidden]) == set(SECRETS)
    assert leaks([base64.b64encode(gzip.compress(hidden, mtime=0))]) == set(SECRETS)
    assert leaks([json.dumps({"url": quote(secret, safe="")}).encode() for secret in SECRETS.values()]) == set(SECRETS)
    assert leaks([b"", b"nothing" * 20]) == set()


def test_otlp(tmp_path: Path) -> None:
    """Traces, metrics and log events."""
    with otlp_receiver() as receiver:
        texts = at_work(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.endpoint, **TO_OTLP)
    assert any(b"execute_tool" in body and b"log_in" in body for body in receiver.bodies)
    assert len(receiver.bodies) > len(receiver.traces) > 0
    assert leaks([*receiver.bodies, *files(tmp_path), texts.encode()]) == set()


def test_the_bridge(tmp_path: Path) -> None:
    """Over gRPC into the bridge's queue, and MLflow's store and artifacts."""
    port = free_port()
    with bridge_process(
        blank_store(tmp_path), "planted", port, queue=str(tmp_path / "queue"), drain_timeout="240"
    ) as bridge:
        texts = at_work(
            tmp_path,
            OTEL_TRACES_EXPORTER="otlp",
            OTEL_EXPORTER_OTLP_PROTOCOL="grpc",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{port}",
        )
        queued = files(tmp_path / "queue")
        bridge.process.send_signal(signal.SIGTERM)
        assert bridge.process.wait(300) == 0
    assert any(b"execute_tool" in content for content in queued)
    assert recorded(tmp_path / "mlflow.db")
    assert leaks([*queued, *files(tmp_path), texts.encode()]) == set()


@pytest.mark.slow
def test_mlflow_without_code(tmp_path: Path) -> None:
    """Straight into MLflow's store and artifacts."""
    texts = at_work(tmp_path, OTEL_TRACES_EXPORTER="mlflow", MLFLOW_TRACKING_URI=blank_store(tmp_path))
    assert recorded(tmp_path / "mlflow.db")
    assert leaks([*files(tmp_path), texts.encode()]) == set()


def test_the_spool_and_what_is_replayed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """MLflow is down, and its own address has a password: neither the spool, nor a log, nor what is replayed has it."""
    monkeypatch.chdir(tmp_path)
    password = quote(SECRETS["password-of-the-destination"], safe="")
    texts = at_work(
        tmp_path,
        OTEL_TRACES_EXPORTER="mlflow",
        MLFLOW_TRACKING_URI=f"http://user:{password}@127.0.0.1:{free_port()}",
        OTEL_DSPY_MLFLOW_FLUSH_TIMEOUT="2",
    )
    spooled = files(tmp_path / "spool")
    assert spooled
    assert leaks([*spooled, texts.encode()]) == set()
    assert main(["replay", "--tracking-uri", blank_store(tmp_path), str(tmp_path / "spool")]) == 0
    assert recorded(tmp_path / "mlflow.db")
    assert leaks([*files(tmp_path), "".join(capfd.readouterr()).encode()]) == set()


def test_the_doctor(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """It lists where everything is sent, and no credential."""
    password = quote(SECRETS["password-of-the-destination"], safe="")
    for name, value in {
        **planted(),
        **EVERYTHING,
        **TO_OTLP,
        "OTEL_TRACES_EXPORTER": "otlp,mlflow",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://user:{password}@127.0.0.1:{free_port()}",
        "MLFLOW_TRACKING_URI": f"http://user:{password}@127.0.0.1:{free_port()}",
    }.items():
        monkeypatch.setenv(name, value)
    for flags in ([], ["--json"]):
        main(["doctor", *flags])
        texts = "".join(capsys.readouterr())
        assert "127.0.0.1" in texts
        assert leaks([texts.encode()]) == set()
