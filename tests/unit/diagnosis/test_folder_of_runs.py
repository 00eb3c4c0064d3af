"""A folder as MLFLOW_TRACKING_URI, which newer versions of MLflow reject."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from mlflow import environment_variables

from otel_dspy.diagnosis.checks.mlflow_store import mlflow_store

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("form", ["{}", "file://{}", "file:{}"])
def test_a_folder_is_a_problem_unless_mlflow_accepts_it(form: str, tmp_path: Path) -> None:
    """The finding names what to use instead."""
    uri = form.format(tmp_path / "mlruns")
    allowed = {"MLFLOW_TRACKING_URI": uri, "MLFLOW_ALLOW_FILE_STORE": "true"}
    assert [(one.level.value, one.text) for one in mlflow_store(allowed)] == [("note", f"{uri} was not checked")]
    if not hasattr(environment_variables, "MLFLOW_ALLOW_FILE_STORE"):
        pytest.skip("this MLflow has file stores")
    text = (
        f"{uri}: MLflow keeps no data in a folder any more: name a database, such as sqlite:///mlflow.db, or set "
        "MLFLOW_ALLOW_FILE_STORE=true"
    )
    assert [(one.level.value, one.text) for one in mlflow_store({"MLFLOW_TRACKING_URI": uri})] == [("problem", text)]


@pytest.mark.parametrize("uri", ["databricks", "uc", "postgresql://db/mlflow"])
def test_other_stores_are_no_folders(uri: str) -> None:
    """They are not checked."""
    assert [one.text for one in mlflow_store({"MLFLOW_TRACKING_URI": uri})] == [f"{uri} was not checked"]
