"""A real notebook: cells run one after another in an IPython kernel, and the kernel is shut down."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import nbformat
import pytest
from nbclient import NotebookClient

from otel_dspy.environment.variable_names import REPORT
from tests.support.interpreters import INTERPRETER_START
from tests.support.mlflow_tree import read_tree
from tests.support.waiting import awaited

CELLS = [
    """
import dspy, mlflow, otel_dspy.mlflow
from tests.support.addition_task import exact, examples, addition_lm

otel_dspy.mlflow.autolog()
mlflow.set_tracking_uri("{uri}")
mlflow.set_experiment("notebook")
dspy.configure(lm=addition_lm())
""",
    """
async def asked():
    return (await dspy.Predict("question -> answer").acall(question="1+1")).answer

await asked()
""",
    """
with mlflow.start_run(run_name="my run"):
    optimizer = dspy.BootstrapFewShotWithRandomSearch(exact, num_candidate_programs=1, num_threads=2)
    best = optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(3))
""",
    "1 / 0",
    """
optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(4))
None
""",
    "otel_dspy.mlflow.autolog()  # run again, as one does",
    "best(question='3+3').answer",
    "otel_dspy.mlflow.flush(120)",
]


INTERRUPTED = [
    CELLS[0],
    """
import time
from pathlib import Path

scored = 0
def slow(example, prediction, trace=None):
    global scored
    scored += 1
    if scored > 4:  # trial 0 has scored three
        Path("second trial").touch()
        time.sleep(0.5)
    return exact(example, prediction)

optimizer = dspy.BootstrapFewShotWithRandomSearch(slow, num_candidate_programs=1, num_threads=1)
best = optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(3))
""",
    "otel_dspy.mlflow.flush(120)",
]


def use_kernel(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a kernel `here` of this environment known, which imports `tests`."""
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[3]}{os.pathsep}{INTERPRETER_START}")
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    (folder / "kernels" / "here").mkdir(parents=True)
    (folder / "kernels" / "here" / "kernel.json").write_text(
        f'{{"argv": ["{sys.executable}", "-m", "ipykernel_launcher", "-f", "{{connection_file}}"], '
        '"display_name": "here", "language": "python"}'
    )
    monkeypatch.setenv("JUPYTER_PATH", str(folder))
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))


def _client(book: nbformat.NotebookNode, folder: Path) -> NotebookClient:
    """Runs the notebook in the folder. A busy kernel may take long to start, and its outputs come after its answer."""
    return NotebookClient(
        book, timeout=300, startup_timeout=300, iopub_timeout=300, kernel_name="here", allow_errors=True,
        resources={"metadata": {"path": str(folder)}},
    )  # fmt: skip


@pytest.mark.slow  # a kernel and MLflow's database
@pytest.mark.parametrize("tracking_uri", ["local"], indirect=True)
def test_an_interrupted_cell(tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the kernel's interrupt the display and the run's description have the state at the end; the run is KILLED."""
    use_kernel(tmp_path, monkeypatch)
    monkeypatch.setenv(REPORT, "true")
    cells = [nbformat.v4.new_code_cell(text.replace("{uri}", tracking_uri)) for text in INTERRUPTED]
    book = nbformat.v4.new_notebook(cells=cells)
    client = _client(book, tmp_path)
    with ThreadPoolExecutor(1) as executor:
        executed = executor.submit(client.execute, env=dict(os.environ))
        awaited(lambda: (tmp_path / "second trial").exists() or executed.done(), "a second trial", 120)
        assert client.km is not None
        asyncio.run(cast("Any", client.km).interrupt_kernel())
        executed.result(300)
    outputs = book.cells[1].outputs
    assert [one.ename for one in outputs if one.output_type == "error"] == ["KeyboardInterrupt"]
    (display,) = [one["data"] for one in outputs if one.output_type == "display_data"]
    state = display["text/plain"].splitlines()[0]
    assert state.startswith("BootstrapFewShotWithRandomSearch on Predict: stopped by the user; ")
    assert "trial 0 leads (start, seed -3)" in state
    assert [one["data"]["text/plain"] for one in book.cells[2].outputs] == ["True"]
    [run] = read_tree(tracking_uri, "notebook").runs
    assert (run.name, run.status) == ("BootstrapFewShotWithRandomSearch Predict", "KILLED")
    description = run.tags["mlflow.note.content"]
    assert "stopped by the user" in description
    assert "trial 0" in description


# Through a server the spans take the path of every other test here.
@pytest.mark.parametrize("tracking_uri", ["local", pytest.param("server", marks=pytest.mark.slow)], indirect=True)
def test_cells_of_a_notebook(tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each cell's calls are recorded once: an awaited call, an optimization in the user's run, one after an error.

    Each optimization has one display in its own cell, which ends with the result.

    The last cell waits for MLflow: Jupyter kills a kernel five seconds after it has asked it to end.
    """
    use_kernel(tmp_path, monkeypatch)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text.format(uri=tracking_uri)) for text in CELLS])
    client = _client(book, tmp_path)
    client.execute(env=dict(os.environ))
    outputs = [
        [
            output.get("data", {}).get("text/plain") or output.get("ename")
            for output in cell.outputs
            if output.output_type not in {"stream", "display_data"}
        ]
        for cell in book.cells
    ]
    assert outputs == [[], ["'2'"], [], ["ZeroDivisionError"], [], [], ["'6'"], ["True"]]
    displays = {
        number: [output["data"] for output in cell.outputs if output.output_type == "display_data"]
        for number, cell in enumerate(book.cells)
    }
    assert {number: len(found) for number, found in displays.items() if found} == {2: 1, 4: 1}
    for number, score in ((2, "33.3 %"), (4, "50.0 %")):
        (shown,) = displays[number]
        state, place = shown["text/plain"].splitlines()
        assert state.startswith(
            f"BootstrapFewShotWithRandomSearch on Predict: from {score} to {score}, trial 0 won (start, seed -3); "
        )
        assert place.startswith("Recorded in MLflow at ")
        assert re.findall(r'<td style="text-align:left">((?:start, )?seed [^<]*)</td>', shown["text/html"]) == [
            f"{'start, ' if seed == -3 else ''}seed {seed}" for seed in (-3, -2, -1, 0)
        ]
    tree = read_tree(tracking_uri, "notebook")
    run, alone = sorted(tree.runs, key=lambda run: run.name != "my run")
    assert (alone.name, alone.status) == ("BootstrapFewShotWithRandomSearch Predict", "FINISHED")
    assert (run.name, run.status) == ("my run", "FINISHED")
    (compiled,) = run.children
    assert (compiled.name, compiled.status) == ("BootstrapFewShotWithRandomSearch Predict", "FINISHED")
    assert {trace.request_preview for trace in tree.traces} == {'{"question":"1+1"}', '{"question":"3+3"}'}
