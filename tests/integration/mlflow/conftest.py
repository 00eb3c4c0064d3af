"""Fixtures for the two kinds of tracking store: a server and a local database.

One of each for the session, with one experiment for each test.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import mlflow
import pytest
from mlflow import MlflowClient
from mlflow.tracking import fluent
from mlflow.utils.thread_utils import ThreadLocalVariable

from otel_dspy.mlflow import MlflowSpanProcessor
from tests.integration.mlflow.contract_spans import SpanEmitter, provider
from tests.support.blank_store import blank_store
from tests.support.mlflow_tree import read_tree

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.support.mlflow_tree import ExperimentTree

os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"  # no terminal

DELIVERY = 120_000
"""Milliseconds that a delivery may take on a loaded machine."""


SERVER_IS_SLOW = pytest.mark.parametrize(
    "place", [pytest.param("server", marks=pytest.mark.slow), "sqlite"], indirect=True
)
"""For a test whose writes and reads other tests do on both stores: on a server its requests take three times as long."""


@pytest.fixture(autouse=True)
def _unset_mlflow(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Tracking URI, experiment and runs that an earlier test has set in this process are not those of this test."""
    monkeypatch.setattr(fluent, "_active_experiment_id", None)
    # A run that a thread of DSPy's has left open is that of every later trace of MLflow's, on any thread.
    monkeypatch.setattr(fluent, "_active_run_stack", ThreadLocalVariable(default_factory=list))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # set_tracking_uri sets it
    mlflow.set_tracking_uri(None)  # pyright: ignore[reportArgumentType] - it forgets
    yield
    mlflow.set_tracking_uri(None)  # pyright: ignore[reportArgumentType] - the same


@dataclass
class CallContext:
    """An experiment of its own in a real store."""

    uri: str
    experiment: str
    processors: list[MlflowSpanProcessor]

    def processor(self, **flags: bool) -> MlflowSpanProcessor:
        """A processor that writes here."""
        made = MlflowSpanProcessor(tracking_uri=self.uri, experiment=self.experiment, workspace=None, **flags)
        self.processors.append(made)
        return made

    def emitter(self, compile_id: str | None = None, *, nested: bool = False, **flags: bool) -> SpanEmitter:
        """A recorder of spans for a processor of this destination."""
        tracer = provider(self.processor(**flags), uuid.uuid4().int >> 97).get_tracer("otel_dspy")
        return SpanEmitter(tracer, compile_id=compile_id, nested=nested)

    def read(self) -> ExperimentTree:
        """All runs and traces after delivery, without rejections."""
        for processor in self.processors:
            assert processor.force_flush(DELIVERY)
            assert processor.lost == 0
        return read_tree(self.uri, self.experiment)


@pytest.fixture(scope="session")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A local store: a sqlite file without a server."""
    return blank_store(tmp_path_factory.mktemp("local"))


@pytest.fixture(params=["server", "sqlite"])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> CallContext:
    """A fresh experiment in each kind of store."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    if request.param == "server":
        return CallContext(request.getfixturevalue("server").uri, name, [])
    uri = str(request.getfixturevalue("database"))
    # Without a server the artifacts go below the working folder unless the experiment sets another location.
    MlflowClient(uri).create_experiment(name, artifact_location=tmp_path_factory.mktemp("artifacts").as_uri())
    return CallContext(uri, name, [])
