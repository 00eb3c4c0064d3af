"""`otel-dspy rerun`: a trial's answers scored again, its program run again, from the record alone."""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

import dspy
import pytest

from otel_dspy.cli import main
from otel_dspy.rerun.rerun_trial import rerun_trial
from tests.docs.code_blocks import covered_blocks
from tests.support.breakable_optimizations import DEMOS
from tests.support.in_process_lm import engine_of
from tests.support.recorded_run import recording_into
from tests.support.sums import exact, examples, sums_lm

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

USERS_FILE = """
import dspy

program = dspy.Predict("question -> answer")
other = dspy.ChainOfThought("question -> answer")


def exact(example, prediction, trace=None):
    return example.answer == prediction.answer


def lenient(example, prediction, trace=None):
    return prediction.answer == "wrong" or exact(example, prediction)


def broken(example, prediction, trace=None):
    raise ValueError("no metric")
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A store with a random search over six sums, of which the model gets three right, and the user's file."""
    folder = tmp_path_factory.mktemp("rerun")
    with recording_into(folder) as uri, dspy.context(lm=sums_lm()):
        dspy.BootstrapFewShotWithRandomSearch(metric=exact, num_candidate_programs=1, num_threads=1, **DEMOS).compile(
            dspy.Predict("question -> answer"), trainset=examples(6)
        )
    file = folder / "users.py"
    file.write_text(USERS_FILE, encoding="utf-8")
    return uri, file


@pytest.fixture
def rerun(recorded: tuple[str, Path], capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs the command with objects of the user's file; gives exit status, output and error output."""
    uri, file = recorded

    def call(*arguments: str, **named: str) -> tuple[int, str, str]:
        options = [part for name, value in named.items() for part in (f"--{name}", f"{file}:{value}")]
        status = main(["rerun", *arguments, *options, "--tracking-uri", uri])
        out, err = capsys.readouterr()
        return status, out, err

    return call


def test_the_recorded_answers_are_scored_by_another_metric(rerun: Any) -> None:
    """No program runs. The model's three wrong answers pass now; the same metric gives the same scores."""
    status, out, _ = rerun("--trial", "0", "--json", metric="lenient")
    found = json.loads(out)
    del found["run_id"]
    assert status == 0
    assert found == {
        "trial": 0,
        "unit": "percent",
        "recorded_score": 50.0,
        "score": 100.0,
        "examples": 6,
        "changed": [{"example": str(odd), "recorded_score": 0.0, "score": 1.0} for odd in (0, 2, 4)],
        "failures": {},
        "calls": {"answered": 0, "unknown": 0, "sent": 0},
    }
    status, out, _ = rerun(metric="exact")
    assert status == 0
    assert "score 50.0 % as recorded, 50.0 % now, over 6 examples, 0 of them with another score" in out


def test_the_program_runs_again_from_the_record(rerun: Any) -> None:
    """Every trial has its recorded score again: six calls, all answered."""
    for trial in range(4):
        status, out, err = rerun("--trial", str(trial), "--threads", "4", "--json", program="program", metric="exact")
        found = json.loads(out)
        assert (status, err, found["recorded_score"], found["score"], found["changed"]) == (0, "", 50.0, 50.0, [])
        assert found["calls"] == {"answered": 6, "unknown": 0, "sent": 0}


def test_a_metric_that_fails_is_shown(rerun: Any) -> None:
    """By example, with its exception."""
    status, out, _ = rerun(program="program", metric="broken")
    assert status == 0
    assert out.count("failed: ValueError: no metric") == 6


def test_a_fork_sends_what_differs_alone(recorded: tuple[str, Path]) -> None:
    """Two other examples in the record's place: two requests. Without a model they fail, and the result shows it."""
    uri, _ = recorded
    lm = sums_lm()
    asked: list[Any] = []
    script = engine_of(lm).script

    def counting(messages: Any) -> Any:
        asked.append(messages)
        return script(messages)

    engine_of(lm).script = counting

    class Changed(dspy.Predict):
        """Asks another question for two of the six examples."""

        def forward(self, **kwargs: Any) -> Any:
            """Answer."""
            number = int(kwargs["question"].partition("+")[0])
            return super().forward(question=f"{number + 20 if number > 3 else number}+1")

    forked = rerun_trial("latest", Changed("question -> answer"), exact, 0, fallback=lm, tracking_uri=uri)
    assert (forked.answered, forked.unknown, len(asked), forked.is_complete) == (4, 2, 2, True)
    assert forked.score == 33.33  # 25+1 = 26 is not the label 6
    alone = rerun_trial("latest", Changed("question -> answer"), exact, 0, tracking_uri=uri)
    assert (alone.answered, alone.unknown, len(asked), alone.is_complete) == (4, 2, 2, False)
    assert sorted(alone.rescored.failures) == ["4", "5"]
    assert alone.rescored.failures["4"].startswith("UnknownCallError: This call is not in the record.")


def test_messages(rerun: Any, recorded: tuple[str, Path]) -> None:
    """What is missing, on standard error, with exit status 1."""
    assert rerun("--trial", "9", metric="exact")[::2] == (1, _Containing("has no trial 9; it has 4, numbered from 0."))
    assert rerun(metric="nothing")[::2] == (1, _Containing("users.py has no nothing."))
    assert rerun(program="other", metric="exact")[::2] == (1, _Containing("has the predictors self; the given one has"))
    assert rerun("--lm", "openai/x", metric="exact")[::2] == (1, _Containing("--lm is the model for --from-trial N"))
    assert rerun("--from-trial", "0", metric="exact")[::2] == (
        1,
        _Containing("needs --program FILE:NAME and --lm MODEL"),
    )
    assert main(["rerun", "--metric", "exact", "--tracking-uri", recorded[0]]) == 1
    assert main(["rerun", "--metric", "none.py:exact", "--tracking-uri", recorded[0]]) == 1


def test_the_commands_of_the_page(
    recorded: tuple[str, Path], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commands of docs/rerun.md, in the folder of the user's file, with the store of the environment."""
    uri, file = recorded
    monkeypatch.chdir(file.parent)
    (block,) = covered_blocks("test_the_commands_of_the_page")
    lines = [shlex.split(line) for line in block.text.splitlines()]
    assert [line[:2] for line in lines] == [["otel-dspy", "rerun"]] * 2
    assert [main([*line[1:], "--tracking-uri", uri]) for line in lines] == [0, 0]
    out = capsys.readouterr().out
    assert "50.0 % as recorded, 100.0 % now, over 6 examples, 3 of them with another score\n  example 0: 0 as" in out
    assert '"answered": 6' in out


class _Containing(str):
    """Equal to a text that contains it."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and str(self) in str(other)

    __hash__ = str.__hash__
