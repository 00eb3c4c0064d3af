"""Tracking URIs: passwords are removed from logs and files, and relative paths are made absolute."""

from __future__ import annotations

from pathlib import Path

import pytest
from mlflow.utils.file_utils import (
    local_file_uri_to_path,  # pyright: ignore[reportUnknownVariableType] - untyped
)
from sqlalchemy.engine import make_url

from otel_dspy.mlflow.tracking_uri import address_without_passwords, open_with, storable_uri, without_passwords


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:geheim@host:5000/x", "http://me@host:5000/x"),
        ("error at https://:geheim@host: no", "error at https://@host: no"),
        ("postgresql+psycopg2://me:ge@heim@db/mlflow", "postgresql+psycopg2://me@db/mlflow"),
        ("postgresql://db/mlflow?user=me&password=geheim&x=1", "postgresql://db/mlflow?user=me&password=&x=1"),
        ("postgresql://me:ge/he im@db/mlflow", "postgresql://me@db/mlflow"),
        ("postgresql://me:12/34@db/mlflow", "postgresql://me@db/mlflow"),
        ("no postgresql://me@corp:ge/h@im@db:1/x, or me@corp", "no postgresql://me@corp@db:1/x, or me@corp"),
        ("mysql+pymysql://me:?ge#heim@db/mlflow", "mysql+pymysql://me@db/mlflow"),
        ("http://me:ge/he im@host/x", "http://me@host/x"),
        ("http://me:ge@he@host/a@b", "http://me@host/a@b"),
        ("https://blob/c/x?sv=1&sig=AbC%3D&se=2", "https://blob/c/x?sv=1&sig=&se=2"),
        ("s3://b/k?X-Amz-Credential=AK&X-Amz-Signature=be", "s3://b/k?X-Amz-Credential=&X-Amz-Signature="),
        ("http://h/?pass=a&auth=b&key=c&Authorization=d", "http://h/?pass=&auth=&key=&Authorization="),
        ("mssql://h/x?authentication=ActiveDirectoryMsi", "mssql://h/x?authentication=ActiveDirectoryMsi"),
        ("mssql:///?odbc_connect=UID%3Dme%3BPWD%3Dge%3BX%3D1", "mssql:///?odbc_connect=UID%3Dme%3BPWD%3D%3BX%3D1"),
        ("http://host:5000/a@b", "http://host:5000/a@b"),
        ("http://host:5000 refused me@corp", "http://host:5000 refused me@corp"),
        ("'http://host:5000': refused me@corp", "'http://host:5000': refused me@corp"),
        ("http://[::1]:5000 refused me@corp", "http://[::1]:5000 refused me@corp"),
        ("postgresql://db:5432/mlflow", "postgresql://db:5432/mlflow"),
        ("file:///a:b/c@d", "file:///a:b/c@d"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
    ],
)
def test_passwords_are_taken_out(text: str, shown: str) -> None:
    """From every address in a text, without other changes."""
    assert without_passwords(text) == shown


def test_a_secret_in_an_address_alone_is_taken_out_whole() -> None:
    """Nothing follows the address, so a space or a quote does not end it."""
    uri = "postgresql://db/mlflow?user=me&password=ge 'he im&x=1"
    assert address_without_passwords(uri) == "postgresql://db/mlflow?user=me&password=&x=1"
    assert storable_uri(uri) == "postgresql://db/mlflow?user=me&password=&x=1"


@pytest.mark.parametrize("password", ["ge/heim", "ge heim", "12/34", "?ge#", "ge:heim", "ge[heim]", "a://b"])
def test_what_sqlalchemy_takes_for_a_password_is_not_kept(password: str) -> None:
    """The rest of the address is, as SQLAlchemy reads it."""
    uri = f"postgresql+psycopg2://me:{password}@db:5432/mlflow?x=1"
    assert make_url(uri).password == password
    assert storable_uri(uri) == "postgresql+psycopg2://me@db:5432/mlflow?x=1"


@pytest.mark.parametrize(
    ("uri", "kept"),
    [
        ("sqlite:///mlflow.db", f"sqlite:///{Path.cwd()}/mlflow.db"),
        ("sqlite:////mlflow.db", "sqlite:////mlflow.db"),
        ("sqlite+pysqlite:///mlflow.db?timeout=5", f"sqlite+pysqlite:///{Path.cwd()}/mlflow.db?timeout=5"),
        ("sqlite:///file:mlflow.db?uri=true", f"sqlite:///file:{Path.cwd()}/mlflow.db?uri=true"),
        ("sqlite:///:memory:", "sqlite:///:memory:"),
        ("sqlite:///", "sqlite:///"),
        ("sqlite://", "sqlite://"),
        ("./mlruns", f"{Path.cwd().as_uri()}/mlruns"),
        ("file:mlruns", f"{Path.cwd().as_uri()}/mlruns"),
        ("file:./my%20runs", f"{Path.cwd().as_uri()}/my%20runs"),
        ("./my[runs", f"{Path.cwd().as_uri()}/my%5Bruns"),
        ("/abs/mlruns", "/abs/mlruns"),
        ("file:/abs/mlruns", "file:/abs/mlruns"),
        ("file:///abs/mlruns", "file:///abs/mlruns"),
        ("databricks", "databricks"),
        ("databricks://profile", "databricks://profile"),
        ("databricks-uc", "databricks-uc"),
        ("databricks-uc://profile", "databricks-uc://profile"),
        ("uc", "uc"),
        ("uc:http://host:8080", "uc:http://host:8080"),
        ("azureml:workspace", "azureml:workspace"),
        ("http://[::1", "http://[::1"),
        ("http://me:geheim@host", "http://me@host"),
    ],
)
def test_a_path_that_depends_on_the_folder_is_made_absolute(uri: str, kept: str) -> None:
    """A replay is run from another folder."""
    assert storable_uri(uri) == kept


@pytest.mark.parametrize("uri", ["my%20runs", "file:my%20runs", "mlruns"])
def test_a_kept_path_is_the_one_that_mlflow_writes_to(
    uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in a folder whose name looks like an escape."""
    folder = tmp_path / "a%20b"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert Path(local_file_uri_to_path(storable_uri(uri))) == Path(local_file_uri_to_path(uri)).absolute()


@pytest.mark.parametrize(
    ("uri", "experiment", "shown"),
    [
        ("http://me:geheim@host:5000/", "7", "http://me@host:5000/#/experiments/7"),
        ("HTTPS://host", None, "HTTPS://host"),
        ("sqlite:////a folder/mlflow.db", "7", "mlflow ui --backend-store-uri 'sqlite:////a folder/mlflow.db'"),
        ("postgresql://me:geheim@db/m", None, "mlflow ui --backend-store-uri postgresql://me@db/m"),
    ],
)
def test_where_a_store_is_opened(uri: str, experiment: str | None, shown: str) -> None:
    """A server at the page of the experiment; any other store by the command for its UI."""
    assert open_with(uri, experiment) == shown
