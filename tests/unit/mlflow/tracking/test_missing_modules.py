"""A module that MLflow's client needs and that is not installed: it is named with what to do, and nothing is lost."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient

from otel_dspy.mlflow.tracking.requests.error_cause import missing_module
from otel_dspy.mlflow.tracking.requests.error_classification import tracking_store_access
from otel_dspy.mlflow.tracking.requests.operation_outcome import Outcome
from otel_dspy.mlflow.tracking.requests.retry import Retrier
from otel_dspy.reporting.runs.read_error import read_error_text

if TYPE_CHECKING:
    from typing import Any

URI = "http://127.0.0.1:9"
MODULE = "requests_auth_aws_sigv4"
REMEDY = f"Install the package that provides the module {MODULE}, which MLflow's client needs, and start again."


@pytest.fixture(autouse=True)
def _signed_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's client signs requests for AWS by a package that is not installed."""
    monkeypatch.setenv("MLFLOW_TRACKING_AWS_SIGV4", "true")
    monkeypatch.setitem(sys.modules, MODULE, None)


class _NoPauses(threading.Event):
    def wait(self, timeout: float | None = None) -> bool:
        del timeout
        return False


def test_the_warning_of_the_delivery(caplog: pytest.LogCaptureFixture) -> None:
    """The request is retried; the line does not ask for a server that is to be started."""
    client: Any = MlflowClient(URI)
    attempts: list[str] = []

    def attempt() -> None:
        attempts.append("one")
        if len(attempts) == 1:
            with tracking_store_access():
                client.search_experiments(max_results=1)

    assert Retrier(URI, _NoPauses(), lambda: None).run("spans", attempt).outcome is Outcome.DONE
    assert len(attempts) == 2
    (line,) = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    assert line.endswith(f"No data is lost. {REMEDY}")


def test_the_line_of_a_command() -> None:
    """So do the commands that read MLflow."""
    client: Any = MlflowClient(URI)
    with pytest.raises(ModuleNotFoundError) as raised:
        client.search_experiments(max_results=1)
    assert read_error_text(raised.value, URI, "name another store").endswith(f". {REMEDY}")


def test_an_import_that_was_handled_is_not_the_cause() -> None:
    """A library may try an optional module before the request that fails."""
    refused = ConnectionRefusedError()
    refused.__context__ = ModuleNotFoundError("No module named 'optional'", name="optional")
    assert missing_module(refused) is None
    refused.__cause__ = refused.__context__
    assert missing_module(refused) == "optional"
