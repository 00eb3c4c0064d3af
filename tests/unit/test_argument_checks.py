"""Arguments of the public functions that are of a wrong type or empty: an error at the call, before anything happens."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import dspy
import numpy as np
import pytest
from opentelemetry.sdk.trace import TracerProvider

import otel_dspy
import otel_dspy.mlflow
from otel_dspy.cli import main
from tests.support.blank_store import blank_store
from tests.support.mlflow_tree import read_tree

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WRONG: Any = 5
PROGRAM = dspy.Predict("question -> answer")
REGISTRATION: dict[str, Any] = {"name": "n", "program": PROGRAM}
CALLS: dict[str, Callable[[], object]] = {
    "report(run=...): a value of type int is not the id of a run, or latest; use a text": lambda: otel_dspy.report(
        WRONG
    ),
    "report(run=...): an empty text is not the id of a run, or latest": lambda: otel_dspy.report(""),
    "report(tracking_uri=...): an empty text is not a tracking URI": lambda: otel_dspy.report(tracking_uri=" "),
    "report(experiment=...): an empty text is not the name of an experiment": lambda: otel_dspy.report(experiment=""),
    "report(against=...): a value of type int is not": lambda: otel_dspy.report(against=WRONG),
    "compare(run=...): a value of type list is not": lambda: otel_dspy.compare(["a", "b"]),  # type: ignore[arg-type] - what it rejects
    "compare(tracking_uri=...): a value of type int is not": lambda: otel_dspy.compare("a", "b", tracking_uri=WRONG),
    "best_program(run=...): None is not": lambda: otel_dspy.best_program(None, PROGRAM),  # type: ignore[arg-type] - what it rejects
    "best_program(program=...): Predict is a class; pass an instance": lambda: otel_dspy.best_program(
        "latest", dspy.Predict
    ),
    "best_program(program=...): a value of type int is not a DSPy program": lambda: otel_dspy.best_program(
        "latest", WRONG
    ),
    "replay_lm(run=...): a value of type int is not": lambda: otel_dspy.replay_lm(WRONG),
    "replay_lm(model=...): an empty text is not the name of a model": lambda: otel_dspy.replay_lm(model=""),
    "register(name=...): an empty text is not": lambda: otel_dspy.register("latest", name="", program=PROGRAM),
    "register(alias=...): an empty text is not": lambda: otel_dspy.register("latest", **REGISTRATION, alias=""),
    "register(code_paths=...): a value of type str is not a list": lambda: otel_dspy.register(
        "latest", **REGISTRATION, code_paths="users.py"
    ),
    "forecast(program=...): a value of type int is not a DSPy program": lambda: otel_dspy.forecast(
        dspy.BootstrapFewShot(), WRONG, []
    ),
    "forecast(optimizer=...): BootstrapFewShot is a class; pass an instance": lambda: otel_dspy.forecast(
        dspy.BootstrapFewShot, PROGRAM, []
    ),
    "forecast(run=...): an empty text is not": lambda: otel_dspy.forecast(dspy.BootstrapFewShot(), PROGRAM, [], run=""),
    "roles: 5 is not a list of task": lambda: otel_dspy.GepaBudgetStopper(cost=1, roles=WRONG),
    "timeout='5' is not a number of seconds": lambda: otel_dspy.mlflow.flush("5"),  # type: ignore[arg-type] - what it rejects
}


@pytest.mark.parametrize(("message", "call"), CALLS.items(), ids=CALLS)
def test_a_function_rejects_it(message: str, call: Callable[[], object]) -> None:
    """The message names the function, the argument and what it should be; the store is not read."""
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        call()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("experiment", 5, "a value of type int is not the name of an experiment; use a text"),
        ("experiment", "", "an empty text is not the name of an experiment"),
        ("tracking_uri", b"http://me:secret@host", "a value of type bytes is not a tracking URI; use a text"),
        ("tracking_uri", "", "an empty text is not a tracking URI"),
        ("workspace", ["team"], "a value of type list is not the name of a workspace; use a text"),
        ("log_traces", "http://localhost:5000", "a value of type str is not a boolean; use True or False"),
        ("log_compiles", None, "None is not a boolean; use True or False"),
        ("log_evaluation_datasets", "no", "a value of type str is not a boolean; use True or False"),
    ],
)
@pytest.mark.parametrize("function", ["autolog", "MlflowSpanProcessor"])
def test_recording_rejects_it(function: str, name: str, value: Any, message: str) -> None:
    """It would be noticed during the optimization only, or not at all; DSPy is not instrumented then."""
    with pytest.raises(ValueError, match=f"^{re.escape(f'{function}({name}=...): {message}')}$"):
        getattr(otel_dspy.mlflow, function)(**{name: value})
    assert otel_dspy.DSPyInstrumentor().tracer_provider is None


def test_a_server_without_workspaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty workspace is none, as with `otel-dspy replay --workspace ''`: MLFLOW_WORKSPACE is that of another server."""
    uri = blank_store(tmp_path)
    monkeypatch.setenv("MLFLOW_WORKSPACE", "team")
    processor = otel_dspy.mlflow.MlflowSpanProcessor(tracking_uri=uri, experiment="Default", workspace="")
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    try:
        provider.get_tracer("t").start_span("call", attributes={"dspy.operation.name": "module"}).end()
        assert otel_dspy.mlflow.flush()
    finally:
        provider.shutdown()
    monkeypatch.delenv("MLFLOW_WORKSPACE")
    assert len(read_tree(uri, "Default").traces) == 1


@pytest.mark.parametrize("name", ["disable", "silent"])
def test_autolog_rejects_it(name: str) -> None:
    """A text would count as True."""
    wrong: dict[str, Any] = {name: "no"}
    with pytest.raises(ValueError, match=rf"^autolog\({name}=...\): a value of type str is not a boolean"):
        otel_dspy.mlflow.autolog(**wrong)


def test_the_type_of_another_package_has_its_name() -> None:
    """NumPy's booleans have the name of Python's type."""
    value: Any = np.True_
    message = "autolog(silent=...): a value of type numpy.bool is not a boolean; use True or False"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        otel_dspy.mlflow.autolog(silent=value)


@pytest.mark.parametrize(
    ("command", "argument"),
    [
        (["report", "--tracking-uri", ""], "--tracking-uri"),
        (["report", "--experiment", ""], "--experiment"),
        (["report", "--against", " "], "--against"),
        (["report", ""], "RUN | FILE"),
        (["watch", ""], "RUN"),
        (["compare", "", "b"], "RUN"),
        (["compare", "a", ""], "RUN"),
        (["gate", "", "--baseline", "b"], "RUN"),
        (["gate", "a", "--baseline", ""], "--baseline"),
        (["rerun", "", "--metric", "m.py:f"], "RUN"),
        (["rerun", "--metric", "m.py:f", "--model", ""], "--model"),
        (["rerun", "--metric", "m.py:f", "--from-trial", "1", "--lm", ""], "--lm"),
        (["register", "", "--name", "n", "--program", "m.py:p"], "RUN"),
        (["register", "a", "--name", "", "--program", "m.py:p"], "--name"),
        (["register", "a", "--name", "n", "--program", "m.py:p", "--alias", ""], "--alias"),
        (["register", "a", "--name", "n", "--program", ""], "--program"),
        (["rerun", "--metric", ""], "--metric"),
        (["rerun", "--metric", "m.py:f", "--program", ""], "--program"),
        (["rerun", "--metric", "m.py:f", "--from-trial", "1", "--data", ""], "--data"),
        (["report", "--text", "--out", ""], "--out"),
        (["compare", "a", "b", "--out", ""], "--out"),
        (["gate", "a", "--baseline", "b", "--junit", ""], "--junit"),
        (["gate", "a", "--baseline", "b", "--markdown", ""], "--markdown"),
        (["demo", "--store", ""], "--store"),
        (["demo", "--lm", ""], "--lm"),
        (["demo", "--api-base", ""], "--api-base"),
        (["bridge", "--tracking-uri", ""], "--tracking-uri"),
        (["bridge", "--print-collector-config", "--token-file", " "], "--token-file"),
        (["bridge", "--print-collector-config", "--queue", ""], "--queue"),
        (["replay", ""], "FILE"),
        (["replay", "--tracking-uri", ""], "--tracking-uri"),
        (["replay", "--experiment", ""], "--experiment"),
        (["replay", "--otlp", ""], "--otlp"),
    ],
)
def test_an_empty_argument_of_a_command(command: list[str], argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A script passes a variable that is not set: the command would use another run, store or file."""
    with pytest.raises(SystemExit) as ended:
        main(command)
    assert ended.value.code == 2
    message = f"argument {argument}: the value is empty: check that the variable that it comes from is set"
    assert message in capsys.readouterr().err
