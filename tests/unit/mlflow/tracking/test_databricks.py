"""Headers of a delivery's requests and tags of its runs: those of MLflow alone, in a Databricks environment and outside."""

from __future__ import annotations

import itertools
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

import pytest
from mlflow import MlflowClient
from mlflow.tracking.context import registry as run_context
from mlflow.tracking.request_header import databricks_request_header_provider, registry

from otel_dspy.mlflow.tracking.requests import http_policy
from otel_dspy.mlflow.tracking.store.store import Store
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

CLUSTER = "mlflow.databricks.cluster.id"


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    for name in ("dbruntime", "IPython"):  # a test's program has loaded neither
        monkeypatch.delitem(sys.modules, name, raising=False)
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "dbruntime"]:
        del sys.modules[name]
    monkeypatch.undo()
    http_policy.prepare()


def headers() -> dict[str, Any]:
    """The headers that MLflow gives a request of this thread."""
    return cast("Any", registry).resolve_request_headers()


def headers_of_delivery() -> dict[str, Any]:
    """Those of a request of the delivery."""
    with http_policy.no_retries(0):
        return headers()


def load(monkeypatch: pytest.MonkeyPatch, name: str, **contents: object) -> None:
    """Load a module with these contents."""
    module = ModuleType(name)
    vars(module).update(contents)
    monkeypatch.setitem(sys.modules, name, module)


class Spark:
    """Stands for pyspark's session, its configuration and its task context."""

    def __init__(self) -> None:
        self.conf = {"spark.databricks.clusterUsageTags.clusterId": "cluster-1"}
        self.asked = 0

    def get_active_session(self) -> Spark:
        """Itself."""
        self.asked += 1
        return self

    def load(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Be the session of this process."""
        session = type("SparkSession", (), {"getActiveSession": staticmethod(self.get_active_session)})
        load(monkeypatch, "pyspark", TaskContext=type("TaskContext", (), {"get": staticmethod(lambda: None)}))
        load(monkeypatch, "pyspark.sql", SparkSession=session)


def test_outside_databricks() -> None:
    """User agent and version of MLflow's client, as any request of MLflow has."""
    http_policy.prepare()
    assert sorted(headers_of_delivery()) == ["User-Agent", "X-MLflow-Client-Version"]
    assert headers_of_delivery() == headers()


def test_a_plugin_is_asked_for_each_request(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its headers may change, such as those with a token."""
    tokens = itertools.count(1)

    class Plugin:
        def in_context(self) -> bool:
            return True

        def request_headers(self) -> dict[str, str]:
            return {"X-Token": f"t{next(tokens)}"}

    providers: Any = cast("Any", registry).RequestHeaderProviderRegistry()
    for provider in (databricks_request_header_provider.DatabricksRequestHeaderProvider, Plugin):
        providers.register(provider)
    monkeypatch.setattr(registry, "_request_header_provider_registry", providers)
    http_policy.prepare()
    assert [headers_of_delivery(), headers(), headers_of_delivery()] == [
        {"X-Token": "t1"}, {"X-Token": "t2"}, {"X-Token": "t3"},
    ]  # fmt: skip


def test_a_spark_session_is_looked_up_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With a session of a Databricks cluster, headers and tags name it; no request of the delivery looks for it."""
    spark = Spark()
    spark.load(monkeypatch)
    http_policy.prepare()
    spark.asked = 0
    found = headers_of_delivery()
    assert (found["cluster_id"], spark.asked) == ("cluster-1", 0)
    assert (headers(), spark.asked > 0) == (found, True)
    assert tags_of_a_run(tmp_path)[CLUSTER] == "cluster-1"


def test_another_look_up_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each new processor looks the environment up."""
    http_policy.prepare()
    assert "cluster_id" not in headers_of_delivery()
    Spark().load(monkeypatch)
    http_policy.prepare()
    assert headers_of_delivery()["cluster_id"] == "cluster-1"


def test_databricks_own_runtime_is_asked_for_each_request(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where `dbruntime` is installed, nothing changes: it returns the context of the calling thread."""
    (tmp_path / "dbruntime").mkdir()
    (tmp_path / "dbruntime" / "__init__.py").write_text("")
    (tmp_path / "dbruntime" / "databricks_repl_context.py").write_text(
        "class Context:\n"
        "    isInCluster, isInNotebook, isInJob = True, False, False\n"
        "    clusterId = 'before'\n\n\n"
        "def get_context():\n"
        "    return Context\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    http_policy.prepare()
    assert headers_of_delivery()["cluster_id"] == "before"
    cast("Any", sys.modules["dbruntime.databricks_repl_context"]).Context.clusterId = "after"
    assert headers_of_delivery()["cluster_id"] == "after"
    assert tags_of_a_run(tmp_path)[CLUSTER] == "after"


def tags_of_a_run(folder: Path) -> dict[str, str]:
    """The tags of a run that a delivery creates."""
    uri = blank_store(folder)
    run = Store(uri).create_run("0", "run", 1, {"mine": "1"})
    return dict(MlflowClient(uri, registry_uri=uri).get_run(run.run_id).data.tags)


def test_the_tags_of_a_run_are_those_that_mlflow_resolves(tmp_path: Path) -> None:
    """Outside Databricks too: user, source, Git."""
    http_policy.prepare()
    expected = {name: value for name, value in cast("Any", run_context).resolve_tags().items() if value is not None}
    found = tags_of_a_run(tmp_path)
    assert expected.keys() >= {"mlflow.user", "mlflow.source.name", "mlflow.source.type"}
    assert {name: found.get(name) for name in expected} == expected


def test_without_mlflows_provider_its_own_look_up_remains(monkeypatch: pytest.MonkeyPatch) -> None:
    """A release that renames it: requests have the same headers, looked up at each request."""
    spark = Spark()
    spark.load(monkeypatch)
    monkeypatch.delattr(databricks_request_header_provider, "DatabricksRequestHeaderProvider")
    http_policy.prepare()
    spark.asked = 0
    assert headers_of_delivery()["cluster_id"] == "cluster-1"
    assert spark.asked > 0
