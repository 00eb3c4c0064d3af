"""Functions and commands that read an MLflow server which does not answer, or not as MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
import pytest
from mlflow.exceptions import MlflowException

import otel_dspy
from otel_dspy.cli import main
from tests.support.fixed_status_server import listening

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

URI = "http://me:secret@127.0.0.1:9"
RUN = "0" * 32
UNREAD = "MLflow at http://me@127.0.0.1:9 could not be read: connection refused, nothing listens there. "


def _metric(*_: object) -> float:
    return 1.0


def _forecast(uri: str) -> object:
    of_dspy: Any = dspy
    optimizer = of_dspy.BootstrapFewShotWithRandomSearch(_metric, num_candidate_programs=1)
    examples = [of_dspy.Example(a="1", b="2").with_inputs("a")]
    return otel_dspy.forecast(optimizer, dspy.Predict("a -> b"), examples, run="latest", tracking_uri=uri)


READS: dict[str, Callable[[str], object]] = {
    "report": lambda uri: otel_dspy.report(tracking_uri=uri),
    "report against": lambda uri: otel_dspy.report(RUN, against=RUN, tracking_uri=uri),
    "compare": lambda uri: otel_dspy.compare(RUN, RUN, tracking_uri=uri),
    "best_program": lambda uri: otel_dspy.best_program("latest", dspy.Predict("a -> b"), tracking_uri=uri),
    "replay_lm": lambda uri: otel_dspy.replay_lm(RUN, tracking_uri=uri),
    "register": lambda uri: otel_dspy.register(RUN, name="n", program=dspy.Predict("a -> b"), tracking_uri=uri),
    "forecast": _forecast,
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_function_raises_one_line(read: Callable[[str], object]) -> None:
    """It names the store without its password, the cause and what to do; MLflow's error is its cause."""
    with pytest.raises(MlflowException) as raised:
        read(URI)
    assert str(raised.value) == f"{UNREAD}Start MLflow there, or pass another tracking_uri."
    assert isinstance(raised.value.__cause__, MlflowException)
    assert raised.value.error_code == raised.value.__cause__.error_code


@pytest.mark.parametrize(
    "command",
    [
        ["report"],
        ["report", RUN, "--against", RUN],
        ["compare", RUN, RUN],
        ["watch"],
        ["rerun", "--metric", "users.py:program"],
        ["register", RUN, "--name", "n", "--program", "users.py:program"],
    ],
    ids=" ".join,
)
def test_a_command_prints_the_line(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It names the command's own option."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "users.py").write_text("import dspy\nprogram = dspy.Predict('question -> answer')\n")
    assert main([*command, "--tracking-uri", URI]) == 1
    assert capsys.readouterr().err == f"{UNREAD}Start MLflow there, or name another store with --tracking-uri.\n"


@pytest.mark.parametrize(
    ("status", "cause", "what_to_do"),
    [
        (401, "status 401", "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."),
        (403, "status 403", "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."),
        (404, "status 404", "Start MLflow there, or pass another tracking_uri."),
        (503, "status 503", "Start MLflow there, or pass another tracking_uri."),
        (200, "the response is not one of MLflow", "Start MLflow there, or pass another tracking_uri."),
    ],
)
def test_the_page_of_a_proxy_is_not_printed(status: int, cause: str, what_to_do: str) -> None:
    """The status stands for it; for rejected credentials the variables are named."""
    with listening(status, body=b"<html>\n<h1>a page</h1>\n" * 50) as port:
        uri = f"http://127.0.0.1:{port}"
        with pytest.raises(MlflowException) as raised:
            otel_dspy.report(tracking_uri=uri)
    assert str(raised.value) == f"MLflow at {uri} could not be read: {cause}. {what_to_do}"
