"""Number of requests that an optimization sends to a server."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import requests
from inline_snapshot import snapshot

from otel_dspy.environment.variable_names import REPORT
from otel_dspy.mlflow.tracking.runs import report_writer
from tests.chaos.twins import DELIVERY, exporting_to, optimize

if TYPE_CHECKING:
    import pytest

    from tests.support.mlflow_server import MlflowServer


def _asked(server_uri: str, trials: int, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Requests other than those of traces, by kind."""
    asked: Counter[str] = Counter()
    request = requests.Session.request

    def counted(session: requests.Session, method: str, url: str, **more: Any) -> requests.Response:
        kind = url.partition("?")[0].rpartition("/api/2.0/")[2]
        if kind.startswith("mlflow-artifacts/"):
            kind = f"artifact {kind.rpartition('/')[2]}"
        kind = re.sub(r"/m-\w+", "", kind)
        if "/traces" not in url and url.startswith(server_uri):
            asked[kind] += 1
        return request(session, method, url, **more)

    with exporting_to(server_uri) as (processor,), monkeypatch.context() as patch:
        patch.setattr(requests.Session, "request", counted)
        optimize(trials)
        assert processor.force_flush(DELIVERY)
    return asked


def test_what_a_trial_costs(server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most eight requests a trial, of ten that it may cost: one trial more is these more and nothing else."""
    _asked(server.uri, 1, monkeypatch)  # what is asked once in a process
    few, many = (_asked(server.uri, trials, monkeypatch) for trials in (1, 2))
    more = many - few
    # A trial's own metrics, and the parent's.
    assert more.pop("mlflow/runs/log-batch") <= 2
    assert dict(more) == snapshot(
        {
            "mlflow/runs/create": 1,
            "mlflow/runs/update": 1,
            "artifact result_table.json": 1,
            "artifact model.json": 1,
            "artifact changes.md": 1,
            "artifact candidate.json": 1,
        }
    )


def test_what_the_description_of_an_ended_compile_costs(server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """One request, besides those of the report: whether the user has written a description."""

    def written(_request: object, _ended: object) -> None:
        """Write nothing."""

    monkeypatch.setattr(report_writer, "write", written)
    _asked(server.uri, 1, monkeypatch)  # what is asked once in a process
    without = _asked(server.uri, 1, monkeypatch)
    monkeypatch.setenv(REPORT, "true")
    assert dict(_asked(server.uri, 1, monkeypatch) - without) == {"mlflow/runs/get": 1}
