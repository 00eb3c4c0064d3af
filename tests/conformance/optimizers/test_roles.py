"""What each LM call was for: a model of its own stands in each role, so that its name gives the expected role."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, cast

import dspy
import pytest
from inline_snapshot import Is, snapshot

from tests.support import gepa_task
from tests.support.addition_task import exact, examples, half_right
from tests.support.described_programs import DESCRIPTIONS
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.learning_lm import learning_lm
from tests.support.optimizer_runs import tracked_tree
from tests.support.optimizers import Rounds
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from tests.support.span_recorder import Recorder

ROLES: Final = {
    "solving": "task",
    "teaching": "task",
    "writing": "prompt",
    "reflecting": "reflection",
    "judging": "judge",
}
"""Model -> the role that it stands in below."""
PROPOSING: Final = 6 + 4 * DESCRIPTIONS
"""Calls of `_mipro` for its four proposals."""


def _lm(name: str) -> dspy.LM:
    return in_process_lm(
        dspy_script({"answer": half_right, "module_advice": lambda _: '{"self": "Add."}'}), f"openai/{name}"
    )


_verdict = dspy_script({"verdict": lambda _: "yes"})
JUDGE: Final = in_process_lm(
    lambda messages: _verdict(messages) if len(messages) > 1 and messages[0]["content"] else "yes", "openai/judging"
)


class Judging(dspy.Module):
    """A metric that is a module, with a predictor below and a call of the model itself."""

    def __init__(self) -> None:
        super().__init__()
        self.judge = dspy.Predict("question, answer -> verdict")

    def forward(self, question: str, answer: str) -> Any:
        """The verdict, asked for twice."""
        JUDGE("Is it so?")
        return self.judge(question=question, answer=answer)


judging = Judging()


def judged(example: Any, prediction: Any, trace: object = None) -> bool:
    """Asks the judge, and then looks for itself."""
    with dspy.context(lm=JUDGE, trace=[]):
        judging(question=example["question"], answer=prediction["answer"])
    return exact(example, prediction, trace)


def _graded(gold: Any, pred: Any, trace: object = None, pred_name: str | None = None, pred_trace: object = None) -> Any:
    with dspy.context(lm=JUDGE, trace=[]):
        judging(question=str(gold["question"]), answer=str(pred["answer"]))
    return gepa_task.graded(gold, pred, trace, pred_name, pred_trace)


def _student() -> dspy.Module:
    return dspy.ChainOfThought("question -> answer")


class Own(dspy.Module):
    """A program with a `__call__` of its own, which DSPy does not know of."""

    def __init__(self) -> None:
        super().__init__()
        self.answer = _student()

    def __call__(self, question: str) -> Any:
        """The answer."""
        return self.answer(question=question)


def _mipro() -> Any:
    optimizer: Any = dspy.MIPROv2(
        judged,
        prompt_model=_lm("writing"),
        task_model=_lm("solving"),
        teacher_settings={"lm": _lm("teaching")},
        auto=None,
        num_candidates=4,
        num_threads=2,
        max_bootstrapped_demos=1,
        max_labeled_demos=1,
    )
    return optimizer.compile(_student(), trainset=examples(3), valset=examples(4), num_trials=2, minibatch=False)


def _copro() -> Any:
    optimizer: Any = dspy.COPRO(prompt_model=_lm("writing"), metric=judged, breadth=2, depth=2)
    evaluation = {"num_threads": 2, "display_progress": False, "display_table": 0}
    return optimizer.compile(_student(), trainset=examples(2), eval_kwargs=evaluation)


def _simba() -> Any:
    optimizer: Any = dspy.SIMBA(
        metric=judged, prompt_model=_lm("writing"), bsize=4, num_candidates=3, max_steps=2, max_demos=0, num_threads=2
    )
    with dspy.context(lm=learning_lm(fickle=True)):  # SIMBA learns where runs of an example differ
        return optimizer.compile(dspy.Predict("question -> answer"), trainset=examples(4), seed=1)


def _bootstrap() -> Any:
    optimizer: Any = dspy.BootstrapFewShot(judged, teacher_settings={"lm": _lm("teaching")}, max_labeled_demos=0)
    return optimizer.compile(_student(), trainset=examples(3))


def _gepa() -> Any:
    return gepa_task.optimize(metric=_graded, max_metric_calls=30)


def _own() -> Any:
    return Rounds(judged).compile(_student(), trainset=examples(2))


OPTIMIZATIONS: Final[Mapping[str, tuple[Callable[[], Any], set[str]]]] = {
    "MIPROv2": (_mipro, {"solving", "teaching", "writing", "judging"}),
    "COPRO": (_copro, {"solving", "writing", "judging"}),
    "SIMBA": (_simba, {"scripted", "writing", "judging"}),
    "BootstrapFewShot": (_bootstrap, {"teaching", "judging"}),
    "GEPA": (_gepa, {"scripted", "reflecting", "judging"}),
    "a user's own": (_own, {"solving", "judging"}),
}


def _calls(recorder: Recorder) -> Counter[tuple[str, str]]:
    """(model, role) -> calls."""
    return Counter((call["gen_ai.request.model"], call["lm.role"]) for call in recorder.attributes_of("chat"))


@pytest.mark.parametrize("name", OPTIMIZATIONS)
@pytest.mark.parametrize("shape", ["linked", "nested"])
def test_each_call_has_the_role_of_its_model(name: str, shape: str) -> None:
    """Every call of every model is counted in that model's role, in the compile as a whole and up to its last trial.

    That each trial and evaluation is the sum over its own calls, role by role, is checked of every recording.
    """
    optimize, models = OPTIMIZATIONS[name]
    with recording(trace_shape=shape) as recorder, dspy.context(lm=_lm("solving")):
        optimize()
    calls = _calls(recorder)
    assert {model for model, _ in calls} == models
    assert {(model, role) for model, role in calls} == {(model, ROLES.get(model, "task")) for model in models}
    recorded = next(found for found in recorder.attributes_of("compile") if "compile.parent.id" not in found)
    by_role: Counter[str] = Counter()
    for (_, role), count in calls.items():
        by_role[role] += count
    assert {role: recorded[f"usage.role.{role}.lm_calls"] for role in by_role} == by_role
    assert sum(by_role.values()) == recorded["usage.lm_calls"]


def test_a_program_whose_calls_are_not_seen() -> None:
    """A program with a `__call__` of its own: what the metric calls is the judge's all the same."""
    with recording() as recorder, dspy.context(lm=_lm("solving")):
        evaluate: Any = dspy.Evaluate(devset=examples(2), metric=judged, num_threads=1)
        evaluate(Own())
    assert _calls(recorder) == snapshot(Counter({("solving", "task"): 2, ("judging", "judge"): 4}))


def test_an_evaluation_inside_a_metric_is_its_judgment() -> None:
    """A metric that evaluates another program: all that it does is the judge's."""

    def evaluating(example: dspy.Example, prediction: Any, trace: object = None) -> bool:
        with dspy.context(lm=JUDGE):
            dspy.Evaluate(devset=examples(2), metric=exact, num_threads=1)(dspy.Predict("question -> answer"))
        return exact(example, prediction, trace)

    with recording() as recorder, dspy.context(lm=_lm("solving")):
        evaluate: Any = dspy.Evaluate(devset=examples(2), metric=evaluating, num_threads=1)
        evaluate(_student())
    assert _calls(recorder) == snapshot(Counter({("solving", "task"): 2, ("judging", "judge"): 4}))


Points = list[tuple[int, float]]


def _summed(whole: Points, metrics: Mapping[str, Sequence[tuple[int, float]]], wanted: Callable[[str], bool]) -> Points:
    parts = [points for key, points in metrics.items() if wanted(key)]
    return [(step, sum(value for points in parts for at, value in points if at == step)) for step, _ in whole]


def test_in_mlflow(tmp_path: Path) -> None:
    """The runs of a compile and of its trials have each role's part under `name/role`; the parts add up to the whole.

    So do those of the models under `usage/model/<model>/<name>`.

    On the compile's run they are curves over the trials, which end at the compile's own totals.
    """
    with dspy.context(lm=_lm("solving")):
        _, tree = tracked_tree(tmp_path, _mipro)
    (run,) = tree.runs
    trials = [child for child in run.children if child.name.startswith("trial")]
    assert len(trials) > 2
    for node in (run, *trials):
        for name in ("input_tokens", "output_tokens", "lm_calls", "cache_hits", "unpriced_calls"):
            whole = list(node.metrics.get(f"usage/{name}", ()))
            assert whole or name == "cache_hits"  # absent where there was none
            assert _summed(whole, node.metrics, lambda key, name=name: key.startswith(f"usage/{name}/")) == whole
            if name != "cache_hits":
                assert (
                    _summed(
                        whole,
                        node.metrics,
                        lambda key, name=name: key.startswith("usage/model/") and key.endswith(f"/{name}"),
                    )
                    == whole
                )
    assert not [name for name in run.metrics if name.startswith("usage/cost")]
    assert {
        name: points[-1][1] for name, points in run.metrics.items() if name.startswith("usage/lm_calls")
    } == snapshot(
        {
            "usage/lm_calls": Is(51.0 + PROPOSING),
            "usage/lm_calls/judge": 34.0,
            "usage/lm_calls/prompt": Is(float(PROPOSING)),
            "usage/lm_calls/task": 17.0,
        }
    )
    assert {
        name: points[-1][1]
        for name, points in run.metrics.items()
        if name.startswith("usage/model/") and name.endswith("/lm_calls")
    } == snapshot(
        {
            "usage/model/openai/judging/lm_calls": 34.0,
            "usage/model/openai/solving/lm_calls": 12.0,
            "usage/model/openai/teaching/lm_calls": 5.0,
            "usage/model/openai/writing/lm_calls": Is(float(PROPOSING)),
        }
    )
    summary = cast("Mapping[str, Any]", run.artifacts["optimization_summary.json"])
    assert summary["usage"]["by_role"]["prompt"] == snapshot(
        {
            "input_tokens": Is(10 * PROPOSING),
            "output_tokens": Is(5 * PROPOSING),
            "lm_calls": Is(PROPOSING),
            "cache_hits": 0,
            "cost": None,
            "unpriced_calls": Is(PROPOSING),
        }
    )
    assert summary["usage"]["by_model"]["openai/writing"] == snapshot(
        {
            "input_tokens": Is(10 * PROPOSING),
            "output_tokens": Is(5 * PROPOSING),
            "lm_calls": Is(PROPOSING),
            "cost": None,
            "unpriced_calls": Is(PROPOSING),
        }
    )
