"""Registration of an optimization's best program, read back by MLflow."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import dspy
import mlflow
import pytest
from mlflow import MlflowClient

import otel_dspy
from otel_dspy import cli
from otel_dspy.model_registry.errors import RegistryError
from otel_dspy.model_registry.prompts import PROMPTS
from otel_dspy.rerun.errors import RerunError
from tests.support.blank_store import blank_store
from tests.support.compared_optimizations import right
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.prompt_registry import LINKING

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.support.compared_optimizations import Recorded

KEY = "sk-planted-in-the-model"
CODE = 'import dspy\n\n\nclass Sums(dspy.Predict):\n    def __init__(self):\n        super().__init__("question -> answer")\n'


@pytest.fixture(autouse=True)
def store(runs: Recorded, monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """MLflow's current store; what MLflow does in the background ends with the test."""
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID", raising=False)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(runs.tracking_uri)
    yield
    for thread in threading.enumerate():
        if thread.name.startswith(LINKING):
            thread.join()
    mlflow.set_tracking_uri(before)


def test_it_is_loaded_by_mlflow(runs: Recorded, tmp_path: Path) -> None:
    """The loaded program has the instructions and answers; its version names the run, score, data and alias."""
    program: Any = dspy.Predict("question -> answer")
    program.lm = dspy.LM("openai/gpt-4o-mini", api_key=KEY)
    with dspy.context(lm=program.lm):
        found = otel_dspy.register(runs.whole, name="sums", alias="champion", program=program)
    assert (found.version, found.created, found.model_uri) == (1, True, "models:/sums@champion")
    with dspy.context():  # `load_model` sets DSPy's settings
        loaded: Any = cast("Any", mlflow).dspy.load_model(found.model_uri)
    assert loaded.signature.instructions == "Add the numbers."
    assert loaded.lm is None
    with dspy.context(lm=in_process_lm(dspy_script({"answer": right}))):
        assert loaded(question="2+3").answer == "5"
    assert program.signature.instructions != "Add the numbers."
    files = Path(cast("Any", mlflow).artifacts.download_artifacts(found.model_uri, dst_path=str(tmp_path)))
    assert {file.name for file in files.iterdir()} >= {"MLmodel", "best_model.json", "requirements.txt"}
    assert not any(KEY.encode() in file.read_bytes() for file in files.rglob("*") if file.is_file())

    client = MlflowClient()
    version: Any = client.get_model_version_by_alias("sums", "champion")
    assert version.run_id == runs.whole
    assert version.description.endswith(f"run {runs.whole}: 100 %")
    model: Any = client.get_logged_model(version.source.removeprefix("models:/"))
    run: Any = client.get_run(runs.whole)
    [dataset] = [one.dataset for one in run.inputs.dataset_inputs if one.tags[0].value == "validation"]
    # The first is of the recording.
    assert sorted((one.key, one.value, one.dataset_name or "", one.dataset_digest or "") for one in model.metrics) == [
        ("score/best", 100.0, "", ""),
        ("score/best", 100.0, dataset.name, dataset.digest),
    ]
    assert [one.value for one in client.get_metric_history(runs.whole, "score/best")] == [100.0, 100.0, 100.0]

    again = otel_dspy.register(runs.whole, name="sums", alias="newest", program=program)
    assert (again.version, again.created, again.model_uri) == (1, False, "models:/sums@newest")


@pytest.mark.skipif(not PROMPTS, reason="this MLflow has no prompt registry")
def test_instructions_are_prompts_of_the_run(runs: Recorded) -> None:
    """Each predictor's instructions are a prompt version, which the run's page lists."""
    found = otel_dspy.register(runs.half, name="prompted", program=dspy.Predict("question -> answer"))
    assert found.prompts == ("prompted.self/1",)
    client = MlflowClient()
    assert cast("Any", client).load_prompt("prompts:/prompted.self/1").template == "Add."
    run = client.get_run(runs.half)
    assert json.loads(run.data.tags["mlflow.linkedPrompts"]) == [{"name": "prompted.self", "version": "1"}]
    experiments = cast("Any", client).get_prompt("prompted.self").tags["_mlflow_experiment_ids"]
    assert run.info.experiment_id in experiments.split(",")
    other = otel_dspy.register(runs.other, name="prompted", program=dspy.Predict("question -> answer"), prompts=False)
    assert (other.version, other.prompts) == (2, None)


def test_the_command(runs: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A program of a file is loadable without that file; the gate finds the run of the model."""
    file = tmp_path / "sums_of_this_test.py"
    file.write_text(CODE, encoding="utf-8")
    given = ["register", runs.half, "--name", "filed", "--program", f"{file}:Sums", "--alias", "champion"]
    assert cli.main([*given, "--no-prompts"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"Version 1 of filed registered, from run {runs.half}",
        "Alias: champion",
        "score/best: 50, linked to the validation set",
        "Load it: mlflow.dspy.load_model('models:/filed@champion')",
    ]
    file.unlink()
    with dspy.context():
        loaded: Any = cast("Any", mlflow).dspy.load_model("models:/filed/1")
    assert (type(loaded).__name__, loaded.signature.instructions) == ("Sums", "Add.")
    assert cli.main([*given[:-2], "--json"]) == 1  # the file is gone
    assert "cannot be made: FileNotFoundError" in capsys.readouterr().err
    assert cli.main(["gate", runs.whole, "--baseline", "model:/filed@champion"]) == 0
    assert "50.0 points above that of" in capsys.readouterr().out


def test_a_store_that_is_not_mlflows_current_one(
    runs: Recorded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything is written to the store that is named, and nothing to the current one."""
    current = blank_store(tmp_path)
    mlflow.set_tracking_uri(current)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", "91")  # as `mlflow.set_experiment` does, of the current store
    program = dspy.Predict("question -> answer")
    found = otel_dspy.register(runs.other, name="elsewhere", program=program, tracking_uri=runs.tracking_uri)
    assert mlflow.get_tracking_uri() == current
    client = MlflowClient(runs.tracking_uri)
    assert client.get_model_version("elsewhere", str(found.version)).run_id == runs.other
    assert found.metrics == {"score/best": 100.0}
    assert MlflowClient(current).search_registered_models() == []
    assert os.environ["MLFLOW_EXPERIMENT_ID"] == "91"
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID")
    mlflow.set_tracking_uri(runs.tracking_uri)
    with dspy.context():
        loaded: Any = cast("Any", mlflow).dspy.load_model("models:/elsewhere/1")
    assert loaded.signature.instructions == "Add the numbers."


def test_an_alias_that_mlflow_rejects(runs: Recorded) -> None:
    """The error names the version that exists; the next call sets another alias on it."""
    program = dspy.Predict("question -> answer")
    with pytest.raises(RegistryError, match=r"Version 1 of refused is registered, but without the alias 'v1': "):
        otel_dspy.register(runs.whole, name="refused", alias="v1", program=program)
    again = otel_dspy.register(runs.whole, name="refused", alias="newest", program=program)
    assert (again.version, again.created) == (1, False)


def test_another_program(runs: Recorded) -> None:
    """A program with other predictors is not registered."""
    with pytest.raises(RerunError, match="has the predictors self; the given one has predict"):
        otel_dspy.register(runs.whole, name="none", program=dspy.ChainOfThought("question -> answer"))
    assert MlflowClient().search_model_versions("name='none'") == []
