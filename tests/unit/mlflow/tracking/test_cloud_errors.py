"""Errors of the real clients of object stores, raised by requests to a local server."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any, cast

import boto3
import pytest
from botocore.config import Config
from s3transfer.futures import TransferCoordinator
from s3transfer.manager import TransferCoordinatorController

from otel_dspy.mlflow.tracking.requests.error_classification import (
    ArtifactStoreError,
    ErrorClass,
    artifact_access,
    classify,
    retry_after,
)
from tests.support.mlflow_server import free_port
from tests.support.object_store import DENIED, EXPIRED, NO_BUCKET, SLOW_DOWN, Fault, azure_connection, object_store
from tests.support.waiting import awaited

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from tests.support.object_store import ObjectStore

BUSY = Fault(503, "ServerBusy", (("Retry-After", "7"),))
_NOTES_END = "_run_done_callbacks"
UPLOAD = "bucket/folder/a.txt"


@pytest.fixture(scope="module")
def shared_store() -> Generator[ObjectStore]:
    """A store for all tests: creating a client takes a second."""
    with object_store() as running:
        yield running


@pytest.fixture
def store(shared_store: ObjectStore) -> ObjectStore:
    """The same, well and empty."""
    shared_store.fault = None
    shared_store.objects.clear()
    return shared_store


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file to upload."""
    file = tmp_path / "a.txt"
    file.write_text("content")
    return file


@pytest.fixture
def noted_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let s3transfer note that an upload has ended before it closes; `test_an_upload_that_loses_its_cause` has why."""
    wait = TransferCoordinatorController.wait

    def waited(controller: TransferCoordinatorController) -> None:
        awaited(lambda: not controller.tracked_transfer_coordinators, "the end of the upload")
        wait(controller)

    monkeypatch.setattr(TransferCoordinatorController, "wait", waited)


def s3_client(address: str, **keys: str | None) -> Any:
    """A client of boto3's that tries once."""
    given: dict[str, Any] = {"aws_access_key_id": "me", "aws_secret_access_key": "not-a-secret", **keys}
    session = boto3.Session(region_name="us-east-1")
    config = Config(retries={"total_max_attempts": 1}, request_checksum_calculation="when_required")
    return cast("Any", session).client("s3", endpoint_url=address, config=config, **given)


_shared_s3_client = functools.cache(s3_client)


def s3_upload(address: str, file: Path, client: Any = None) -> None:
    """As MLflow does."""
    client = client or _shared_s3_client(address)
    client.upload_file(Filename=str(file), Bucket="bucket", Key="folder/a.txt")


def azure_upload(address: str, file: Path) -> None:
    """As MLflow does, without the client's own retries, which take minutes."""
    blob = pytest.importorskip("azure.storage.blob")
    service = blob.BlobServiceClient.from_connection_string(azure_connection(address), retry_total=0)
    with file.open("rb") as content:
        service.get_container_client("bucket").upload_blob("folder/a.txt", content, overwrite=True)


def google_upload(address: str, file: Path) -> None:
    """As MLflow does, without the client's own retries, which take minutes."""
    storage = pytest.importorskip("google.cloud.storage")
    credentials = pytest.importorskip("google.auth.credentials").AnonymousCredentials()
    client = storage.Client("tests", credentials, client_options={"api_endpoint": address})
    blob = client.bucket("bucket").blob("folder/a.txt", chunk_size=2**20)
    blob.upload_from_filename(str(file), timeout=60, retry=None)


def _error(upload: Callable[..., None], *given: Any) -> Exception:
    with pytest.raises(ArtifactStoreError) as raised, artifact_access():
        upload(*given)
    return raised.value


each_library = pytest.mark.parametrize("upload", [s3_upload, azure_upload, google_upload])


@pytest.mark.usefixtures("noted_ends")
@each_library
def test_the_status_of_the_answer_counts(upload: Callable[..., None], store: ObjectStore, file: Path) -> None:
    """Each client's exception means what the same status of MLflow's means; without a fault it raises none."""
    upload(store.address, file)
    assert store.objects == {UPLOAD: b"content"}
    found: dict[int, ErrorClass] = {}
    for status in (408, 429, 502, 503, 504, 401, 403, 500, 400, 404, 409):
        store.fault = Fault(status, "Code")
        found[status] = classify(_error(upload, store.address, file))
    assert found == {
        **dict.fromkeys((408, 429, 502, 503, 504), ErrorClass.WAIT),
        **dict.fromkeys((401, 403), ErrorClass.DENIED),
        500: ErrorClass.RETRY,
        **dict.fromkeys((400, 404, 409), ErrorClass.REJECTED),
    }


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (EXPIRED, ErrorClass.DENIED),
        (DENIED, ErrorClass.DENIED),
        (SLOW_DOWN, ErrorClass.WAIT),
        (NO_BUCKET, ErrorClass.REJECTED),
        (Fault(400, "RequestTimeout"), ErrorClass.WAIT),
        (Fault(403, "RequestTimeTooSkewed"), ErrorClass.DENIED),
        (Fault(400, "InvalidToken"), ErrorClass.DENIED),
        (Fault(400, "EntityTooLarge"), ErrorClass.REJECTED),
    ],
)
def test_the_code_that_s3_answers_counts(fault: Fault, expected: ErrorClass, store: ObjectStore, file: Path) -> None:
    """Status 400 does not show whether the error is transient; the error code does."""
    store.fault = fault
    assert classify(_error(s3_upload, store.address, file)) is expected


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        (EXPIRED, ErrorClass.DENIED),
        (SLOW_DOWN, ErrorClass.WAIT),
        (DENIED, ErrorClass.DENIED),
        (NO_BUCKET, ErrorClass.REJECTED),
        (Fault(403, "403"), ErrorClass.DENIED),
        (Fault(409, "OperationAborted"), ErrorClass.RETRY),
    ],
)
def test_an_upload_that_loses_its_cause(
    fault: Fault, expected: ErrorClass, store: ObjectStore, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """s3transfer raises the cause again while it closes, if its thread has not yet noted that the upload has ended.

    The error code in the message counts; an unknown one is retried, as the next error may have its cause.
    """
    own: Any = getattr(TransferCoordinator, _NOTES_END)
    wait = TransferCoordinatorController.wait
    closed = threading.Event()

    def waited(controller: TransferCoordinatorController) -> None:
        try:
            wait(controller)
        finally:
            closed.set()

    def late(coordinator: object) -> None:
        closed.wait(60)
        own(coordinator)

    monkeypatch.setattr(TransferCoordinatorController, "wait", waited)
    monkeypatch.setattr(TransferCoordinator, _NOTES_END, late)
    store.fault = fault
    error = _error(s3_upload, store.address, file)
    assert error.__cause__ is not None
    assert error.__cause__.__context__ is None
    assert classify(error) is expected


@each_library
def test_a_store_that_does_not_answer_is_waited_for(upload: Callable[..., None], file: Path) -> None:
    """Nothing listens there."""
    assert classify(_error(upload, f"http://127.0.0.1:{free_port()}", file)) is ErrorClass.WAIT


@pytest.mark.usefixtures("noted_ends")
@each_library
def test_the_store_sets_how_long_to_wait(upload: Callable[..., None], store: ObjectStore, file: Path) -> None:
    """`Retry-After` of the answer, wherever the client keeps it."""
    store.fault = BUSY
    assert retry_after(_error(upload, store.address, file)) == 7.0
    store.fault = DENIED
    assert retry_after(_error(upload, store.address, file)) is None


def test_no_credentials_are_credentials_to_be_mended(
    store: ObjectStore, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None at all, half of them, and a profile that does not exist: before there is a request."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))

    def upload() -> None:
        keys = {"aws_access_key_id": None, "aws_secret_access_key": None}
        s3_upload(store.address, file, s3_client(store.address, **keys))

    error = _error(upload)
    assert (type(error.__cause__).__name__, classify(error)) == ("NoCredentialsError", ErrorClass.DENIED)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "me")
    error = _error(upload)
    assert (type(error.__cause__).__name__, classify(error)) == ("PartialCredentialsError", ErrorClass.DENIED)
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    error = _error(upload)
    assert (type(error.__cause__).__name__, classify(error)) == ("ProfileNotFound", ErrorClass.DENIED)


def test_googles_credentials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No default credentials, a rejected refresh, and a refresh without a response."""
    google_auth = pytest.importorskip("google.auth")
    oauth = pytest.importorskip("google.oauth2.credentials")
    transport = pytest.importorskip("google.auth.transport.requests")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    assert classify(_error(google_auth.default)) is ErrorClass.DENIED
    with object_store() as store:
        keys = {"refresh_token": "r", "client_id": "c", "client_secret": "s"}
        credentials = oauth.Credentials(None, token_uri=f"{store.address}/token", **keys)
        store.fault = Fault(400, "invalid_grant")
        assert classify(_error(credentials.refresh, transport.Request())) is ErrorClass.DENIED
    assert classify(_error(credentials.refresh, transport.Request())) is ErrorClass.WAIT


def test_azures_credentials() -> None:
    """What azure-identity raises where it finds none is a `ClientAuthenticationError` without an answer."""
    exceptions = pytest.importorskip("azure.core.exceptions")

    def find_none() -> None:
        raise exceptions.ClientAuthenticationError(message="DefaultAzureCredential failed to retrieve a token")

    assert classify(_error(find_none)) is ErrorClass.DENIED
