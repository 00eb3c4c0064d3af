"""Local server that implements the uploads of S3, Azure Blob Storage and Google Cloud Storage."""

from __future__ import annotations

import email
import http.server
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import parse_qs, urlsplit

from tests.support.loopback_server import LoopbackHandler, running

if TYPE_CHECKING:
    from collections.abc import Generator
    from email.message import Message

    import pytest

AZURE_ACCOUNT = "devstoreaccount1"


class Fault(NamedTuple):
    """An answer instead of taking an object."""

    status: int
    code: str = ""
    """Error code in the body, as S3 and Azure write it."""
    headers: tuple[tuple[str, str], ...] = ()

    def body(self) -> bytes:
        """The answer's body."""
        return f'<?xml version="1.0"?><Error><Code>{self.code}</Code><Message>no</Message></Error>'.encode()


EXPIRED = Fault(400, "ExpiredToken")
DENIED = Fault(403, "AccessDenied")
SLOW_DOWN = Fault(503, "SlowDown")
NO_BUCKET = Fault(404, "NoSuchBucket")


class ObjectStore(http.server.ThreadingHTTPServer):
    """Takes every object, or answers with `fault` while there is one."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.fault: Fault | None = None
        self.objects: dict[str, bytes] = {}
        """Content by bucket and key, `bucket/key`."""
        self.failed = 0
        """Requests that were answered with a fault."""

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def serve_clients(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Point the clients that MLflow makes at this server: credentials that it does not look at, no retries."""
        for name, value in {
            "AWS_ACCESS_KEY_ID": "me",
            "AWS_SECRET_ACCESS_KEY": "not-a-secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_MAX_ATTEMPTS": "1",  # boto3's own retries take 15 s
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_REQUEST_CHECKSUM_CALCULATION": "when_required",  # or the body comes in chunks
            "MLFLOW_S3_ENDPOINT_URL": self.address,
            "STORAGE_EMULATOR_HOST": self.address,
            "GOOGLE_CLOUD_PROJECT": "tests",
            "AZURE_STORAGE_CONNECTION_STRING": azure_connection(self.address),
        }.items():
            monkeypatch.setenv(name, value)


def azure_connection(address: str) -> str:
    """A connection string for an account that the server takes."""
    return (
        f"DefaultEndpointsProtocol=http;AccountName={AZURE_ACCOUNT};AccountKey=bm8tc2VjcmV0;"
        f"BlobEndpoint={address}/{AZURE_ACCOUNT};"
    )


class _Handler(LoopbackHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _store(self) -> ObjectStore:
        return cast("ObjectStore", self.server)

    def _take(self) -> None:
        body = self.read_body()
        fault, parts = self._store.fault, urlsplit(self.path)
        if fault is not None:
            self._store.failed += 1
            self._answer(fault.status, fault.body(), dict(fault.headers), "application/xml")
        elif parts.path.startswith("/upload/storage/v1/b/"):
            self._google(parts.path.split("/")[5], body)
        else:
            # Azure's clients name the account first.
            self._store.objects[parts.path.lstrip("/").removeprefix(f"{AZURE_ACCOUNT}/")] = body
            azure = parts.path.startswith(f"/{AZURE_ACCOUNT}/")
            self._answer(201 if azure else 200, b"", {"ETag": '"1"', "Last-Modified": "Sat, 28 Nov 2026 06:00:00 GMT"})

    def do_GET(self) -> None:
        """An object, or a bucket's list of a folder, as S3 has them; also while there is a fault."""
        parts = urlsplit(self.path)
        bucket, _, key = parts.path.lstrip("/").partition("/")
        if not key:
            prefix = parse_qs(parts.query)["prefix"][0]
            below = [name.removeprefix(f"{bucket}/") for name in self._store.objects]
            files = sorted(name for name in below if name.startswith(prefix))
            names = sorted(
                {f"{folder}{slash}" for folder, slash, _ in (name[len(prefix) :].partition("/") for name in files)}
            )
            listed = [
                f"<CommonPrefixes><Prefix>{prefix}{name}</Prefix></CommonPrefixes>"
                if name.endswith("/")
                else f"<Contents><Key>{prefix}{name}</Key><Size>1</Size></Contents>"
                for name in names
            ]
            body = f"<ListBucketResult><Prefix>{prefix}</Prefix>{''.join(listed)}</ListBucketResult>"
            self._answer(200, body.encode(), kind="application/xml")
        elif (found := self._store.objects.get(f"{bucket}/{key}")) is not None:
            self._answer(200, found)
        else:
            self._answer(404, NO_BUCKET.body(), kind="application/xml")

    def do_HEAD(self) -> None:
        """An object's size."""
        found = self._store.objects.get(urlsplit(self.path).path.lstrip("/"))
        self.send_response_only(404 if found is None else 200)
        self.send_header("Content-Length", str(len(found or b"")))
        self.send_header("ETag", '"1"')
        self.send_header("Last-Modified", "Sat, 28 Nov 2026 06:00:00 GMT")
        self.end_headers()

    do_PUT = do_POST = _take

    def _google(self, bucket: str, body: bytes) -> None:
        """A multipart upload: the object's name in JSON, then its content."""
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        described, content = cast("list[Message]", email.message_from_bytes(head + body).get_payload())
        key = json.loads(cast("bytes", described.get_payload(decode=True)))["name"]
        self._store.objects[f"{bucket}/{key}"] = cast("bytes", content.get_payload(decode=True))
        self._answer(200, json.dumps({"name": key, "bucket": bucket}).encode())

    def _answer(
        self, status: int, body: bytes, headers: dict[str, str] | None = None, kind: str = "application/json"
    ) -> None:
        self.answer(status, body, {**(headers or {}), "Content-Type": kind})


@contextmanager
def object_store() -> Generator[ObjectStore]:
    """A server for as long as the block lasts."""
    with running(ObjectStore()) as server:
        yield server
