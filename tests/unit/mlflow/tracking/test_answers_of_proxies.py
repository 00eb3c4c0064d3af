"""Answers that are not MLflow's: a proxy answers so while MLflow is redeployed, or MLflow for a path that it lacks."""

from __future__ import annotations

import http.server
import threading
from typing import TYPE_CHECKING, Final

import pytest

from otel_dspy.mlflow.mapping.operations import EvaluationRecord, LogEvaluationDataset
from otel_dspy.mlflow.tracking.artifact_queue.artifact_queue import ArtifactQueue
from otel_dspy.mlflow.tracking.artifact_queue.artifact_write import ArtifactWrite
from otel_dspy.mlflow.tracking.requests.operation_outcome import Outcome
from otel_dspy.mlflow.tracking.requests.retry import MAX_AMBIGUOUS, Retrier
from otel_dspy.mlflow.tracking.store.artifact_store import ArtifactStore
from otel_dspy.mlflow.tracking.store.store import Store
from tests.support.loopback_server import running
from tests.support.waiting import awaited

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

PAGE: Final = (404, b"<html><h1>404 Not Found</h1></html>")
NO_ID: Final = (200, b"{}")
NO_EXPERIMENT: Final = (404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}')
RUN: Final = (200, b'{"run": {"info": {"run_id": "7"}}}')
MODEL: Final = (200, b'{"model": {"info": {"model_id": "7"}}}')


class Proxy(http.server.ThreadingHTTPServer):
    """Gives each of these answers once, then those of an MLflow without experiments and with artifacts."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.own: list[tuple[int, bytes]] = []
        self.requests = 0
        self.paths: list[str] = []

    @property
    def uri(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(http.server.BaseHTTPRequestHandler):
    def _serve(self) -> None:
        assert isinstance(self.server, Proxy)
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests += 1
        self.server.paths.append(self.path)
        status, body = self.server.own.pop(0) if self.server.own else (200, b"{}")
        self.send_response_only(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = _serve


class NoPauses(threading.Event):
    """A stop event that is never set and is not waited for."""

    def wait(self, timeout: float | None = None) -> bool:
        """Return at once."""
        del timeout
        return False


@pytest.fixture
def proxy() -> Generator[Proxy]:
    """A proxy on a free port."""
    with running(Proxy()) as server:
        yield server


@pytest.mark.parametrize(
    "answer",
    [
        PAGE,
        (404, b"404 page not found\n"),
        (404, b'{"message": "no Route matched with those values"}'),
        (400, b""),
        (405, b"<html></html>"),
        (410, b"[]"),
    ],
    ids=["page", "text", "JSON of a gateway", "nothing", "method", "JSON of another kind"],
)
def test_while_nothing_reaches_mlflow_requests_are_retried(
    proxy: Proxy, answer: tuple[int, bytes], caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing is rejected, however often the proxy answers so."""
    store = Store(proxy.uri)
    proxy.own = [answer] * 20
    tried = Retrier(proxy.uri, NoPauses(), store.answer)
    assert tried.run("spans", store.answer).outcome is Outcome.DONE
    assert proxy.own == []
    assert "is unavailable; retrying with back-off" in caplog.text
    assert "rejected" not in caplog.text


@pytest.mark.parametrize("status", [401, 403])
def test_credentials_that_are_rejected(proxy: Proxy, status: int, caplog: pytest.LogCaptureFixture) -> None:
    """The warning names their variables, not a server that is to be started."""
    store = Store(proxy.uri)
    proxy.own = [(status, b"no")] * 3
    assert Retrier(proxy.uri, NoPauses(), store.answer).run("spans", store.answer).outcome is Outcome.DONE
    (line,) = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert line.endswith(
        "No data is lost. Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."
    )


@pytest.mark.parametrize(
    "answer",
    [
        (404, b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "no"}'),
        (404, b'{"detail": "no"}'),
        (413, b"<html><h1>413 Request Entity Too Large</h1></html>"),
    ],
    ids=["MLflow", "MLflow's FastAPI", "a limit of the proxy"],
)
def test_an_answer_to_this_request_rejects_it_at_once(proxy: Proxy, answer: tuple[int, bytes]) -> None:
    """MLflow's errors have a code, or a detail; a proxy that limits the size of requests has looked at it."""
    store = Store(proxy.uri)
    proxy.own = [answer] * 2
    tried = Retrier(proxy.uri, NoPauses(), lambda: None)
    assert tried.run("spans", store.answer).outcome is Outcome.REJECTED
    assert proxy.requests == 1


def test_a_path_that_the_server_lacks_is_rejected(proxy: Proxy, caplog: pytest.LogCaptureFixture) -> None:
    """While MLflow accepts other requests, the third answer in a row is the path's."""
    store = Store(proxy.uri)
    proxy.own = [PAGE] * 20
    tried = Retrier(proxy.uri, NoPauses(), lambda: None)
    assert tried.run("spans", store.answer).outcome is Outcome.REJECTED
    assert proxy.requests == MAX_AMBIGUOUS
    assert "rejected spans" in caplog.text
    assert "is unavailable" not in caplog.text


def test_further_requests_for_a_path_that_the_server_lacks_are_rejected_at_once(proxy: Proxy) -> None:
    """Until one is accepted; not while nothing reaches MLflow."""
    store, reached = Store(proxy.uri), [True] * MAX_AMBIGUOUS

    def answers() -> None:
        if reached and not reached.pop(0):
            raise ConnectionError

    tried = Retrier(proxy.uri, NoPauses(), answers)
    outcomes: list[tuple[Outcome, int]] = []
    for pages in (MAX_AMBIGUOUS, 1, 0, 1):
        proxy.own = [PAGE] * pages
        before = proxy.requests
        outcomes.append((tried.run("spans", store.answer).outcome, proxy.requests - before))
    assert outcomes == [(Outcome.REJECTED, MAX_AMBIGUOUS), (Outcome.REJECTED, 1), (Outcome.DONE, 1), (Outcome.DONE, 2)]
    proxy.own = [PAGE] * MAX_AMBIGUOUS
    assert tried.run("spans", store.answer).outcome is Outcome.REJECTED
    proxy.own = [PAGE] * 2
    reached += [False] * 2
    assert tried.run("spans", store.answer).outcome is Outcome.DONE


def _new_run(store: Store) -> str:
    return store.create_run("1", "compile", 1, {}).run_id


def _known_run(store: Store) -> str:
    return store.get_run("7").run_id


def _experiment(store: Store) -> str:
    return store.experiment_id("E")


def _new_model(store: Store) -> str:
    return store.models.create_model("1", "7", "optimized program", {}).id


@pytest.mark.parametrize(
    ("of", "request_id", "answers"),
    [
        ("run", _new_run, [RUN]),
        ("run", _known_run, [RUN]),
        ("experiment", _experiment, [(200, b'{"experiment": {"experiment_id": "7"}}')]),
        ("experiment", _experiment, [NO_EXPERIMENT, (200, b'{"experiment_id": "7"}')]),
        ("model", _new_model, [MODEL]),
    ],
    ids=["new run", "run", "experiment", "new experiment", "new model"],
)
def test_without_an_id_a_request_is_retried(
    of: str,
    request_id: Callable[[Store], str],
    answers: list[tuple[int, bytes]],
    proxy: Proxy,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A login page that answers JSON to everything, even to what asks whether MLflow is there: nothing is written."""
    store = Store(proxy.uri)
    proxy.own = [*answers[:-1], NO_ID] * 20 + answers
    tried = Retrier(proxy.uri, NoPauses(), store.answer)
    result = tried.run("spans", lambda: request_id(store))
    assert (result.outcome, result.value, proxy.own) == (Outcome.DONE, "7", [])
    assert f"(the answer has no id of the {of}: it is not MLflow's)" in caplog.text


@pytest.mark.parametrize("no_dataset", [NO_ID, (200, b'{"dataset": {"digest": "d"}}')], ids=["empty", "without an id"])
def test_an_evaluation_dataset_without_an_id_is_retried(
    no_dataset: tuple[int, bytes], proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    """Its records would be lost: they are written to the id of the answer that has one."""
    store = Store(proxy.uri)
    record = EvaluationRecord(inputs={"q": "1"}, expectations={})
    dataset = LogEvaluationDataset(key="k", dataset_id="d", name="trainset d", records=(record,))
    found = (200, b'{"dataset": {"dataset_id": "7", "name": "trainset d", "digest": "d"}}')
    # An answer to the search, in which no dataset is found, and one to the creation.
    proxy.own = [NO_ID, no_dataset] * 20 + [NO_ID, found]
    tried = Retrier(proxy.uri, NoPauses(), store.answer)
    assert tried.run("a dataset", lambda: store.evaluation_datasets.log("1", dataset)).outcome is Outcome.DONE
    assert proxy.own == []
    assert proxy.paths[-2:] == ["/api/3.0/mlflow/datasets/7/records", "/api/3.0/mlflow/datasets/7/tags"]
    assert "(the answer has no id of the evaluation dataset: it is not MLflow's)" in caplog.text


@pytest.mark.parametrize("reached", [True, False], ids=["MLflow answers", "MLflow is away"])
def test_artifacts_that_a_proxy_rejects_are_written_later(proxy: Proxy, *, reached: bool) -> None:
    """Those that MLflow's server would take: none is left to the spool."""
    proxy.own = [PAGE] * 3
    left, written, answers = list[bool](), threading.Event(), [reached] * 3
    queue = ArtifactQueue(
        ArtifactStore(proxy.uri).write,
        NoPauses(),
        lambda: answers.pop(0) if answers else True,
        lambda: left.append(True),
    )
    uri = f"{proxy.uri}/api/2.0/mlflow-artifacts/artifacts/0/run/artifacts"
    queue.add(ArtifactWrite(uri, "a.json", "{}", written.set))

    def sent() -> bool:
        queue.send()
        return written.is_set()

    awaited(sent, "the artifact")
    assert (proxy.own, left) == ([], [])
