from __future__ import annotations

import logging
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from inline_snapshot import snapshot

import otel_dspy
from otel_dspy import cli
from otel_dspy.demo import run
from otel_dspy.demo.options import DemoOptions
from otel_dspy.demo.readiness import DemoCannotRunError

if TYPE_CHECKING:
    from collections.abc import Callable


def demo_that(monkeypatch: pytest.MonkeyPatch, does: Callable[[DemoOptions], None]) -> None:
    """Put something else in the place of the demo."""
    monkeypatch.setattr(run, "run_demo", does)


def raising(error: BaseException) -> Callable[[DemoOptions], None]:
    """Make a demo that raises."""

    def demo(_options: DemoOptions) -> None:
        raise error

    return demo


@pytest.mark.parametrize(
    ("arguments", "options"),
    [
        ([], DemoOptions()),
        (
            ["--optimizer", "gepa", "--trials", "2", "--examples", "4", "--store", "x", "--verbose"],
            DemoOptions(optimizer="gepa", trials=2, examples=4, store="x", verbose=True),
        ),
        (["--optimizer", "MIPROv2"], DemoOptions(optimizer="mipro")),
        (["--optimizer", "BootstrapFewShotWithRandomSearch"], DemoOptions(optimizer="random_search")),
        (["--optimizer", "random-search"], DemoOptions(optimizer="random_search")),
        (
            ["--lm", "openai/gpt-4o-mini", "--api-base", "http://127.0.0.1:1/v1"],
            DemoOptions(lm="openai/gpt-4o-mini", api_base="http://127.0.0.1:1/v1"),
        ),
    ],
)
def test_arguments_become_options(monkeypatch: pytest.MonkeyPatch, arguments: list[str], options: DemoOptions) -> None:
    """Each flag sets its option, and a demo that ends is exit status 0."""
    seen: list[DemoOptions] = []
    demo_that(monkeypatch, seen.append)
    assert cli.main(["demo", *arguments]) == 0
    assert seen == [options]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["demos"], "invalid choice: 'demos'. Did you mean demo? The commands are bridge, compare, "),
        (["raport", "latest"], "invalid choice: 'raport'. Did you mean report? "),
        (["zzz"], "invalid choice: 'zzz'. The commands are "),
        (["report", "--txt"], "usage: otel-dspy report "),
        (["report", "latest", "--txt"], "unrecognized arguments: --txt. Did you mean --text?"),
        (["report", "--tracking-url=x"], "unrecognized arguments: --tracking-url=x. Did you mean --tracking-uri?"),
        (["doctor", "--zzz", "1"], "unrecognized arguments: --zzz 1\n"),
        (["demo", "--trials", "0"], "0 is below 1"),
        (["demo", "--examples", "3"], "3 is below 4"),
        (["demo", "--trials", "many"], "invalid number value: 'many'"),
        (["gate", "latest", "--baseline", "latest", "--max-drop", "two"], "two is not a number from 0"),
        (["demo", "--optimizer", "luck"], "invalid choice: 'luck'"),
    ],
)
def test_wrong_arguments_are_refused(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    """Exit status 2, with what is wrong on standard error."""
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_help_has_the_defaults_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    """Options without a default state none."""
    with pytest.raises(SystemExit):
        cli.main(["demo", "--help"])
    shown = capsys.readouterr().out
    assert shown.count("(default: ") == 4
    assert "None" not in shown


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints the package's version."""
    with pytest.raises(SystemExit):
        cli.main(["--version"])
    assert capsys.readouterr().out == f"otel-dspy {otel_dspy.__version__}\n"


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (DemoCannotRunError("Install x."), 1, snapshot("Install x.\n")),
        (
            ConnectionError("refused"),
            1,
            snapshot("""\
The optimization failed: ConnectionError: refused
Results so far are in the MLflow store. Run with --verbose for the traceback.
"""),
        ),
        (KeyboardInterrupt(), 130, snapshot("Stopped. Results so far are in the MLflow store.\n")),
    ],
)
def test_a_demo_that_fails_reports_why(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    message: str,
) -> None:
    """What cannot run, what fails and what is stopped each have their status and a text, not a traceback."""
    demo_that(monkeypatch, raising(error))
    assert cli.main(["demo"]) == status
    assert capsys.readouterr() == ("", message)


def test_verbose_shows_the_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """With `--verbose` an unexpected error comes through whole."""
    demo_that(monkeypatch, raising(ConnectionError("refused")))
    with pytest.raises(ConnectionError):
        cli.main(["demo", "--verbose"])


@pytest.mark.parametrize("command", ["replay", "doctor", "report"])
def test_a_command_that_is_interrupted_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """Ctrl-C is a line and a status, and no traceback."""

    def interrupted(*_arguments: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli._COMMANDS[command].module, "run", interrupted)
    assert cli.main([command]) == 130
    assert capsys.readouterr().err == "Stopped.\n"


def test_without_a_command_it_prints_help(capsys: pytest.CaptureFixture[str]) -> None:
    """The commands, and exit status 0."""
    assert cli.main([]) == 0
    assert "otel-dspy [-h] [--version] COMMAND ..." in capsys.readouterr().out


def test_the_package_runs_as_a_module() -> None:
    """`python -m otel_dspy` is the same command line."""
    done = subprocess.run(
        [sys.executable, "-m", "otel_dspy", "--version"], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout == f"otel-dspy {otel_dspy.__version__}\n"


def test_a_program_that_runs_a_command_keeps_its_log(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lines of MLflow are dropped in the command's own process alone."""
    loggers = [logging.getLogger(name) for name in ("mlflow.store.db.utils", "alembic.runtime.migration")]
    for logger in loggers:
        monkeypatch.setattr(logger, "filters", [])  # those of earlier tests
    assert cli.main([]) == 0
    assert [logger.filters for logger in loggers] == [[], []]
    assert capsys.readouterr().out


def test_the_help_needs_no_search_for_secrets() -> None:
    """Nor what else only the messages of a failed command need: it would be imported by each command."""
    program = "import sys, otel_dspy.cli; print(*(name for name in sys.modules if name.startswith('otel_dspy.')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert "otel_dspy.rerun.command" in imported
    assert imported.isdisjoint({"otel_dspy.telemetry.secrets.scrubber", "otel_dspy.command_line.user_code"})
