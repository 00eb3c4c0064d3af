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
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.breakable_optimizations import DEMOS
from tests.support.compared_optimizations import right
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import engine_of, in_process_lm
from tests.support.lm_server import scripted_lm
from tests.support.optimizers import Rounds
from tests.support.recorded_run import recording_into

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("error::DeprecationWarning")

USERS_FILE = """
import dspy

program = dspy.Predict("question -> answer")
other = dspy.ChainOfThought("question -> answer")


def exact(example, prediction, trace=None):
    return example.answer == prediction.answer


def lenient(example, prediction, trace=None):
    return prediction.answer == "wrong" or exact(example, prediction)


class Failing(dspy.Predict):
    def forward(self, **kwargs):
        raise KeyError("no program")


failing = Failing("question -> answer")


def undefined(example, prediction, trace=None):
    return float("nan") if example.question.startswith("0") else exact(example, prediction)


def partial(example, prediction, trace=None):
    if int(example.question.partition("+")[0]) % 2 == 0:
        raise ValueError("no even number")
    return exact(example, prediction)


def broken(example, prediction, trace=None):
    raise ValueError("no metric")


def judged(example, prediction, trace=None):
    raise PermissionError("Incorrect API key provided: sk-proj-abcdefghij0123456789")
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A store with a random search over six sums, of which the model gets three right, and the user's file."""
    folder = tmp_path_factory.mktemp("rerun")
    with recording_into(folder) as uri, dspy.context(lm=addition_lm()):
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
        "added": 0,
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


@pytest.mark.parametrize("program", [{}, {"program": "program"}], ids=["answers", "program"])
def test_a_metric_that_always_fails(rerun: Any, program: dict[str, str]) -> None:
    """Each example is shown with the exception. The score of 0 is none: the exit status is 1, with the first one."""
    status, out, err = rerun(metric="broken", **program)
    assert status == 1
    assert out.count("failed: ValueError: no metric") == 6
    assert err == (
        "The program or the metric raised on every example, so there is no score now. Example 0: ValueError: no metric\n"
    )


def test_an_error_with_a_key(rerun: Any) -> None:
    """What providers repeat of a key is removed from all that the command prints."""
    for options in ((), ("--json",)):
        status, out, err = rerun("--trial", "0", *options, metric="judged")
        assert status == 1
        assert "PermissionError: Incorrect API key provided: [redacted]" in out
        assert "Example 0: PermissionError: Incorrect API key provided: [redacted]" in err
        assert "sk-proj" not in out + err


def test_a_metric_that_returns_nan(rerun: Any) -> None:
    """The score is NaN, as in DSPy: `NaN` in the text, null in JSON, which has no other value for it."""
    status, out, _ = rerun("--trial", "0", metric="undefined")
    assert status == 0
    assert "score 50.0 % as recorded, NaN now, over 6 examples, 1 of them with another score" in out
    assert "  example 0: 0 as recorded, NaN now" in out
    found = json.loads(rerun("--trial", "0", "--json", metric="undefined")[1], parse_constant=pytest.fail)
    assert found["score"] is None
    assert found["changed"] == [{"example": "0", "recorded_score": 0.0, "score": None}]


def test_a_program_that_always_fails(rerun: Any) -> None:
    """The exit status is 1, as for the metric."""
    status, out, err = rerun(program="failing", metric="exact")
    assert status == 1
    assert out.count("failed: KeyError: 'no program'") == 6
    assert "raised on every example, so there is no score now. Example 0: KeyError: 'no program'" in err


def test_a_metric_that_fails_on_some_examples(rerun: Any) -> None:
    """They count as failed, as in DSPy: that is a result, with exit status 0."""
    status, out, err = rerun(program="program", metric="partial")
    assert (status, err) == (0, "")
    assert out.count("failed: ValueError: no even number") == 3


def test_a_fork_sends_what_differs_alone(recorded: tuple[str, Path]) -> None:
    """Two other examples in the record's place: two requests. Without a model they fail, and the result shows it."""
    uri, _ = recorded
    lm = addition_lm()
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


def test_a_fork_with_another_instruction_model_or_data(
    rerun: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server gets the calls that differ, and no other: the output counts them."""
    data, text = tmp_path / "data.jsonl", tmp_path / "instruction.txt"
    data.write_text("".join(f'{{"question": "{n}+1", "answer": "{n + 1}"}}\n' for n in (1, 3, 7)))
    text.write_text("Add them.\n")
    forks: dict[tuple[str, ...], tuple[int, int]] = {
        (): (6, 0),
        ("--instruction", "Add the numbers."): (0, 6),
        ("--instruction", f"self=@{text}", "--threads", "3"): (0, 6),
        ("--data", str(data)): (2, 1),
        ("--model", "openai/other"): (0, 6),
    }
    with scripted_lm(dspy_script({"answer": right})) as server:
        monkeypatch.setenv("OPENAI_API_BASE", server.api_base)
        monkeypatch.setenv("OPENAI_API_KEY", "k")
        monkeypatch.setattr(dspy, "cache", _NoCache())
        found: dict[tuple[str, ...], Any] = {}
        for fork, (answered, sent) in forks.items():
            server.requests.clear()
            lm = () if "--model" in fork else ("--lm", "openai/scripted")
            status, out, err = rerun("--from-trial", "0", *fork, *lm, "--json", program="program", metric="exact")
            found[fork] = json.loads(out)
            assert (status, err, len(server.requests)) == (0, "", sent)
            assert found[fork]["calls"] == {"answered": answered, "unknown": sent, "sent": sent}
            models = {request.body["model"] for request in server.requests}
            assert models <= {"other" if "--model" in fork else "scripted"}
            if "--instruction" in fork:
                expected = "Add them." if "@" in fork[1] else fork[1]
                assert all(str(request.messages[0]["content"]).endswith(expected) for request in server.requests)
    # The recorded model is right on even sums alone, the server's on all.
    assert [(one["recorded_score"], one["score"], one["examples"], one["added"]) for one in found.values()] == [
        (50.0, 50.0, 6, 0), (50.0, 100.0, 6, 0), (50.0, 100.0, 6, 0), (50.0, 100.0, 3, 1), (50.0, 100.0, 6, 0)
    ]  # fmt: skip
    for named, message in (
        ({"--instruction": "x"}, "name it by --from-trial N"),
        ({"--from-trial": "0", "--lm": "openai/scripted", "--data": "none.json"}, "none.json cannot be read: No such"),
        ({"--from-trial": "0", "--lm": "openai/scripted", "--data": str(text)}, "instruction.txt is not JSON"),
        ({"--from-trial": "0", "--lm": "openai/scripted", "--instruction": "@none.txt"}, "none.txt cannot be read"),
    ):
        options = [part for pair in named.items() for part in pair]
        assert rerun(*options, program="program", metric="exact")[::2] == (1, _Containing(message))


def test_a_trial_has_its_own_answers(tmp_path: Path) -> None:
    """Two trials of the same program, whose model answers the same requests first right, then wrong."""
    answers = iter(["1", "2", "wrong", "wrong"])
    lm = in_process_lm(dspy_script({"answer": lambda _: next(answers)}))
    program = dspy.Predict("question -> answer")
    with recording_into(tmp_path) as uri, dspy.context(lm=lm):
        Rounds(exact).compile(program, trainset=examples(2))
    for trial, score in ((0, 100.0), (1, 0.0)):
        found = rerun_trial("latest", program, exact, trial, tracking_uri=uri)
        assert (found.score, found.answered, found.unknown) == (score, 2, 0)


def test_messages(rerun: Any, recorded: tuple[str, Path]) -> None:
    """What is missing, on standard error, with exit status 1."""
    assert rerun("--trial", "9", metric="exact")[::2] == (1, _Containing("has no trial 9; it has 4, numbered from 0."))
    assert rerun(metric="nothing")[::2] == (1, _Containing("users.py has no nothing."))
    assert rerun(program="other", metric="exact")[::2] == (1, _Containing("has the predictors self; the given one has"))
    assert rerun("--lm", "openai/x", metric="exact")[::2] == (1, _Containing("--lm is the model for --from-trial N"))
    assert rerun("--from-trial", "0", metric="exact")[::2] == (
        1,
        _Containing("needs --program SOURCE and --lm MODEL, or --model MODEL to call the recorded model again."),
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


class _NoCache:
    """DSPy's cache, without an entry: earlier answers of the server must not be found."""

    def get(self, *_: Any, **__: Any) -> None:
        """Find nothing."""

    def put(self, *_: Any, **__: Any) -> None:
        """Keep nothing."""


class _Containing(str):
    """Equal to a text that contains it."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and str(self) in str(other)

    __hash__ = str.__hash__
