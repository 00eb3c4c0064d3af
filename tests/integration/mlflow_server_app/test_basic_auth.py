"""`mlflow server --app-name otel-dspy` on top of MLflow's `basic-auth`: its permissions come first.

Needs `mlflow[auth]`, which a cell of `noxfile.py` installs.
"""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient

from otel_dspy.mlflow.mapping.trace_operations import Assessment
from otel_dspy.mlflow.tracking.store.traces import trace_batch, trace_entities
from otel_dspy.mlflow.tracking.store.traces.mlflow_span import mlflow_span
from tests.integration.mlflow_server_app.test_endpoint import PROTOBUF, post
from tests.integration.mlflow_server_app.test_server_workspaces import send
from tests.integration.mlflow_server_app.test_trace_batches import BATCH, TRACE, one_trace
from tests.support.mlflow_server import WITH_APP, mlflow_server
from tests.support.mlflow_tree import read_tree
from tests.support.otlp_requests import encoded, ours
from tests.unit.mlflow.tracking.test_whole_traces import span, trace_info

if TYPE_CHECKING:
    from pathlib import Path

ADMIN = ("admin", "a-password-of-the-admin")
WRITER = ("writer", "a-password-of-the-writer")
READER = ("reader", "a-password-of-the-reader")
UNSCORING = ("unscoring", "a-password-of-the-unscoring")
"""A user who may update the experiment and is denied assessments."""
EXPERIMENT = "sums"
"""Same as the experiment of `send`, by its resource."""


def scored_trace(experiment_id: str) -> bytes:
    """The body of a batch with a trace that has a score, and its span."""
    score = Assessment(assessment_id="a-1", name="exact", value=1.0, rationale=None, span_id=None, time_ms=1)
    info = trace_entities.trace_info(experiment_id, replace(trace_info(TRACE + 1), assessments=(score,)), None, {})
    return trace_batch.encoded(trace_batch.InfoWrite(info, exists=False)) + trace_batch.encoded(
        trace_batch.SpansWrite([mlflow_span(span(TRACE + 1, 1, parent=None))], {})
    )


def authorization(user: tuple[str, str] | None) -> dict[str, str]:
    """Header of a user's requests; none without a user."""
    return {"authorization": f"Basic {base64.b64encode(':'.join(user).encode()).decode()}"} if user else {}


@pytest.mark.slow
def test_mlflows_permissions_come_before_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rejected requests write nothing and create no experiment; a user who may update the experiment has runs there."""
    pytest.importorskip("flask_wtf", reason="mlflow[auth] is not installed")
    for name, value in {
        "OTEL_DSPY_SERVER_APP_BASE": "basic-auth",
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "a secret text",
        "MLFLOW_AUTH_ADMIN_USERNAME": ADMIN[0],
        "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN[1],
        "MLFLOW_TRACKING_USERNAME": ADMIN[0],
        "MLFLOW_TRACKING_PASSWORD": ADMIN[1],
    }.items():
        monkeypatch.setenv(name, value)
    with mlflow_server(tmp_path, options=(*WITH_APP, "--workers", "2"), forked=False) as server:
        client = MlflowClient(server.uri)
        experiment = client.create_experiment(EXPERIMENT)
        from mlflow.server import (  # noqa: PLC0415 - it takes seconds, in each pytest process
            get_app_client,  # pyright: ignore[reportUnknownVariableType]
        )

        users = get_app_client("basic-auth", tracking_uri=server.uri)
        for name, password in (WRITER, READER, UNSCORING):
            users.create_user(name, password)
        for name, _ in (WRITER, UNSCORING):
            users.grant_user_permission(name, "experiment", experiment, "EDIT")
        role = users.create_role("default", "without assessments")
        users.add_role_permission(role.id, "assessment", "*", "DENY")
        users.assign_role(UNSCORING[0], role.id)
        header = {"x-mlflow-experiment-id": experiment}
        expected: tuple[tuple[tuple[str, str] | None, dict[str, str], int, str], ...] = (
            (None, header, 401, ""),
            (("writer", "guessed"), header, 401, ""),
            (READER, header, 403, ""),
            (WRITER, {}, 400, "elsewhere"),
            (WRITER, header, 200, ""),
            (ADMIN, {}, 200, EXPERIMENT),
        )
        for number, (user, named, status, by_resource) in enumerate(expected):
            body = encoded(ours(f"module {number}"), experiment=by_resource or "not-allowed")
            answered, headers, _ = post(server.uri, body, PROTOBUF | named | authorization(user))
            assert (number, answered) == (number, status)
            assert ("www-authenticate" in headers) is (status == 401)
        batch = one_trace(experiment)
        scored = scored_trace(experiment)
        for user, status, of_scored in (
            (None, 401, 401), (READER, 403, 403), (UNSCORING, 200, 403), (WRITER, 200, 200), (ADMIN, 200, 200)
        ):  # fmt: skip
            answers = [post(server.uri, body, BATCH | header | authorization(user)) for body in (batch, scored)]
            assert (user, [answered for answered, _, _ in answers]) == (user, [status, of_scored])
            assert all(b"false" not in body for _, _, body in answers)
        assert client.get_trace(f"tr-{TRACE:032x}").info.response_preview == "2"
        send(server.uri, "by-the-writer", 1, header | authorization(WRITER), {})
        tree = read_tree(server.uri, EXPERIMENT)
        stored = [(str(trace.name), trace.state) for trace in tree.traces]
        assert [(name, state) for name, state in sorted(stored) if name.startswith("module")] == [
            ("module 4", "OK"),
            ("module 5", "OK"),
        ]
        (run,) = tree.runs
        assert (run.status, [child.status for child in run.children]) == ("FINISHED", ["FINISHED"])
        assert sorted(found.name for found in client.search_experiments()) == ["Default", EXPERIMENT]
