"""Hooks that others bring: by a call, by an entry point; a faulty one is logged and skipped."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dspy
import pytest
from inline_snapshot import snapshot
from typing_extensions import override

from otel_dspy.hooks import optimizers
from otel_dspy.hooks.optimizers import (
    OptimizerHook,
    TrialInfo,
    TrialKind,
    register,
    unregister,
)
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.optimizers import Rounds
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from otel_dspy.hooks.optimizers import (
        CompileScope,
        EvaluateInfo,
        Patches,
        Telemetry,
    )


class RoundsHook(OptimizerHook):
    """Knows `Rounds`: its first evaluation is the baseline."""

    optimizer = "tests.support.optimizers.Rounds"

    @override
    def trial(self, scope: CompileScope, program: Any, evaluation: EvaluateInfo) -> TrialInfo:
        del program
        index = scope.trial_count
        kind = TrialKind.BASELINE if index == 0 else TrialKind.CANDIDATE
        return TrialInfo(kind=kind, label=f"round {index}", scope=evaluation.scope, parameters={"round": index})


class UninstallableHook(RoundsHook):
    """Fails when DSPy is instrumented."""

    @override
    def install(self, patches: Patches, telemetry: Telemetry) -> None:
        raise RuntimeError("this hook is broken")


class FailingHook(RoundsHook):
    """Fails whenever it is asked something."""

    @override
    def parameters(self, optimizer: Any, arguments: Any) -> dict[str, object]:
        raise RuntimeError("no parameters")

    @override
    def datasets(self, arguments: Any) -> Any:
        raise RuntimeError("no datasets")

    @override
    def trial(self, scope: CompileScope, program: Any, evaluation: EvaluateInfo) -> TrialInfo:
        raise RuntimeError("no trial")


@contextmanager
def registered(hook: OptimizerHook) -> Generator[None]:
    """The hook is registered while the block runs."""
    register(hook)
    try:
        yield
    finally:
        unregister(hook)


def _compile() -> Any:
    return Rounds(exact).compile(dspy.Predict("question -> answer"), trainset=examples(2))


_GENERIC = [("candidate", None, True), ("candidate", None, True)]
_KNOWN = [("baseline", "round 0", None), ("candidate", "round 1", None)]


def _recorded(recorder: Any) -> list[tuple[Any, ...]]:
    return [
        tuple(span.attributes.get(f"dspy.trial.{name}") for name in ("kind", "label", "derived"))
        for span in recorder.named("trial")
    ]


def test_a_hook_is_registered_by_a_call() -> None:
    """A registered hook records its optimizer, before DSPy is instrumented or after; taken back, it does no more."""
    with dspy.context(lm=addition_lm()):
        with registered(RoundsHook()), recording() as before:
            _compile()
        with recording() as after, registered(RoundsHook()):
            _compile()
        with recording() as without:
            _compile()
    assert _recorded(before) == _KNOWN
    assert _recorded(after) == _KNOWN
    assert _recorded(without) == _GENERIC


def _distribution(folder: Path, entry: str) -> None:
    info = folder / "rounds_telemetry-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rounds-telemetry\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[otel_dspy.optimizers]\nrounds = {entry}\n", encoding="utf-8")


def test_a_package_brings_a_hook_by_an_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package's entry point is enough: nothing is called, and no file of otel-dspy changes."""
    _distribution(tmp_path, f"{__name__}:RoundsHook")
    monkeypatch.syspath_prepend(tmp_path)
    with dspy.context(lm=addition_lm()), recording() as recorder:
        _compile()
    assert _recorded(recorder) == _KNOWN


@pytest.mark.parametrize("entry", ["no_such_module:Hook", "json:dumps", "collections:OrderedDict"])
def test_a_faulty_entry_point_is_logged_and_skipped(
    entry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An entry point that cannot be loaded, called, or is no hook costs one warning; the rest is recorded."""
    _distribution(tmp_path, entry)
    monkeypatch.syspath_prepend(tmp_path)
    with caplog.at_level(logging.WARNING, "otel_dspy"), dspy.context(lm=addition_lm()), recording() as recorder:
        _compile()
    assert _recorded(recorder) == _GENERIC
    assert [record.getMessage() for record in caplog.records] == [
        f"otel-dspy: the optimizer hook {entry} failed and was skipped; the application is not affected"
    ]


def test_a_hook_that_cannot_be_installed_leaves_its_optimizer_to_the_rule() -> None:
    """`install` raises: the optimizer is recorded as an unknown one."""
    with dspy.context(lm=addition_lm()), registered(UninstallableHook()), recording() as recorder:
        _compile()
    assert _recorded(recorder) == _GENERIC


def test_a_hook_that_fails_later_costs_its_own_facts_alone() -> None:
    """A hook that raises whenever it is asked: compile, evaluations and trials are there, without what it would record."""
    with dspy.context(lm=addition_lm()), registered(FailingHook()), recording() as recorder:
        _compile()
    assert recorder.tree("compile", "trial.index", "trial.score", "trial.derived", "optimizer") == snapshot(
        [
            "compile Rounds optimizer.name=Rounds trial.score.unit=percent",
            "  setup Rounds optimizer.name=Rounds",
            "  trial Rounds optimizer.name=Rounds trial.derived=True trial.index=0 trial.score=50.0 trial.score.unit=percent",
            "    evaluate exact trial.index=0",
            "  trial Rounds optimizer.name=Rounds trial.derived=True trial.index=1 trial.score=50.0 trial.score.unit=percent",
            "    evaluate exact trial.index=1",
        ]
    )


@pytest.mark.parametrize(
    ("former", "current"),
    [
        ("DatasetFacts", "DatasetInfo"),
        ("EvaluateFacts", "EvaluateInfo"),
        ("PhaseWatch", "PhaseHook"),
        ("TrialFacts", "TrialInfo"),
        ("Watch", "CallHook"),
        ("around", "wrap_call"),
        ("current_place", "current_call_context"),
        ("tell_setup", "record_setup"),
    ],
)
def test_a_deprecated_name_is_an_alias_of_the_current_one(former: str, current: str) -> None:
    """Hooks of other packages that import a former name get the same object, and a DeprecationWarning."""
    with pytest.warns(DeprecationWarning, match=f"import {current} instead"):
        found: object = getattr(optimizers, former)
    assert found is getattr(optimizers, current)


class FormerHook(OptimizerHook):
    """A hook of another package that overrides a method by its former name."""

    optimizer = "tests.support.optimizers.Rounds"

    @override
    def open_trial_facts(self, scope: CompileScope) -> TrialInfo:
        return TrialInfo(label="draft")


def test_a_method_with_its_former_name_is_called() -> None:
    """`open_trial_facts` is `open_trial_info` now; overriding the former warns."""
    scope: Any = None
    with pytest.warns(DeprecationWarning, match="FormerHook.open_trial_facts is deprecated, name it open_trial_info"):
        assert FormerHook().open_trial_info(scope) == TrialInfo(label="draft")
    assert OptimizerHook().open_trial_info(scope) == TrialInfo()
