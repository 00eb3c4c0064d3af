from __future__ import annotations

from typing import TYPE_CHECKING

from inline_snapshot import snapshot

from otel_dspy.reporting.terminal.compile_progress import CompileView, CompileWatch
from tests.unit.reporting.compile_spans import SpokenCompile, speaking_to

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

SCORED: dict[str, AttributeValue] = {"dspy__trial__score__unit": "percent", "dspy__trial__scope": "full"}


def rendered(view: CompileView) -> str:
    """Put a view in one line."""
    best = view.best.score if view.best else None
    return (
        f"{view.phase} running={view.running} of {view.planned} examples={view.examples} "
        f"ended={[row.index for row in view.trials]} best={best}{' END' if view.ended else ''}"
    )


def test_a_compile_is_followed_from_start_to_end() -> None:
    """Phases, the plan, running trials, their examples and ended trials are reported as they happen, each once."""
    seen: list[str] = []
    spoken = speaking_to(CompileWatch(lambda view: seen.append(rendered(view))))
    with spoken.running():
        spoken.setup({"num_trials": 1, "minibatch": False})
        with spoken.phase("propose"):
            pass
        with spoken.phase("search"):
            with spoken.trial(0, dspy__trial__score=40.0, dspy__trial__is_best=True, **SCORED):
                spoken.example(0)
                spoken.example(0)
            with spoken.trial(1, dspy__trial__score=30.0, dspy__trial__is_best=False, **SCORED):
                spoken.example(1)
    assert seen == snapshot(
        [
            "None running=None of None examples=0 ended=[] best=None",
            "None running=None of 2 examples=0 ended=[] best=None",
            "propose running=None of 2 examples=0 ended=[] best=None",
            "search running=None of 2 examples=0 ended=[] best=None",
            "search running=0 of 2 examples=0 ended=[] best=None",
            "search running=0 of 2 examples=1 ended=[] best=None",
            "search running=0 of 2 examples=2 ended=[] best=None",
            "search running=None of 2 examples=0 ended=[0] best=40.0",
            "search running=1 of 2 examples=0 ended=[0] best=40.0",
            "search running=1 of 2 examples=1 ended=[0] best=40.0",
            "search running=None of 2 examples=0 ended=[0, 1] best=40.0",
            "None running=None of 2 examples=0 ended=[0, 1] best=40.0 END",
        ]
    )


def test_the_best_trial_is_the_compiles_own_at_the_end() -> None:
    """Where the optimizer returned another program than the trials had led to expect, that one's trial is the best."""
    watch = CompileWatch()
    spoken = speaking_to(watch)
    with spoken.running(dspy__compile__best_trial__index=0):
        with spoken.trial(0, dspy__trial__score=30.0, dspy__trial__is_best=False, **SCORED):
            pass
        with spoken.trial(1, dspy__trial__score=40.0, dspy__trial__is_best=True, **SCORED):
            pass
        assert best_of(watch) == 1
    assert best_of(watch) == 0


def best_of(watch: CompileWatch) -> int | None:
    """Index of the best trial by now."""
    assert watch.view is not None
    return None if watch.view.best is None else watch.view.best.index


def test_a_nested_compile_is_no_compile_of_its_own() -> None:
    """A compile inside the one that is followed, its trials included, changes nothing."""
    watch = CompileWatch()
    spoken = speaking_to(watch)
    with spoken.running():
        nested = SpokenCompile(spoken.tracer, "d" * 32)
        before = watch.view
        with nested.running("BootstrapFewShot", dspy__compile__parent__id=spoken.compile_id), nested.trial(0):
            nested.example(0)
        assert before is not None
        assert watch.view is before


def test_the_compile_that_starts_last_is_followed() -> None:
    """A second outermost compile takes the place of the first."""
    watch = CompileWatch()
    first = speaking_to(watch)
    with first.running(), first.trial(0):
        pass
    second = SpokenCompile(first.tracer, "d" * 32)
    with second.running("GEPA"):
        pass
    assert watch.view == CompileView("d" * 32, "GEPA", "Classify", ended=True)


def test_an_example_that_ends_late_counts_for_no_other_trial() -> None:
    """DSPy lets stragglers go on after their evaluation has ended."""
    watch = CompileWatch()
    spoken = speaking_to(watch)
    with spoken.running():
        with spoken.trial(0):
            pass
        with spoken.trial(1):
            spoken.example(0)
            assert watch.view is not None
            assert watch.view.examples == 0
        spoken.example(1)
        assert watch.view.examples == 0


def test_examples_of_evaluations_that_an_example_makes_are_not_counted() -> None:
    """A metric that evaluates another program: the trial has its own examples."""
    watch = CompileWatch()
    spoken = speaking_to(watch)
    with spoken.running(), spoken.trial(0):
        spoken.example(0, dspy__evaluate__within_example=True)
        spoken.example(0)
        assert watch.view is not None
        assert watch.view.examples == 1


def test_a_row_of_a_trial_holds_what_its_span_records() -> None:
    """Parameters keep their types, unknown facts are None, and the duration is the span's."""
    watch = CompileWatch()
    spoken = speaking_to(watch)
    with spoken.running(), spoken.trial(3, dspy__trial__parameter__seed=-3, dspy__trial__label="seed -3"):
        pass
    assert watch.view is not None
    [row] = watch.view.trials
    assert (row.index, row.label, row.parameters) == (3, "seed -3", {"seed": -3})
    assert (row.score, row.unit, row.scope, row.best_score, row.is_best) == (None, None, None, None, False)
    assert (row.input_tokens, row.output_tokens, row.lm_calls, row.cost) == (4000, 10, 4, 0.0)
    assert 0 < row.seconds < 60
