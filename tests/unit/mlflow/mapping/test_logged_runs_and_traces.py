"""Which runs and traces are logged, and to which run each belongs, by options and destination."""

from __future__ import annotations

from typing import Any

import pytest

from otel_dspy.mlflow.mapping.operations import (
    EnsureRun,
    KeepProgram,
)
from otel_dspy.mlflow.mapping.run_keys import CompileRun, EvaluateRun, TrialRun, UserRun
from otel_dspy.mlflow.mapping.trace_operations import LogSpan, LogTrace
from otel_dspy.mlflow.records.route import Options, RootKind, TraceContext
from tests.support.mapped_spans import CID, IDENTITY, kinds, only, operations_of


@pytest.mark.parametrize(
    ("options", "attributes", "user_run", "parent"),
    [
        (Options(), {}, None, None),
        (Options(), {}, "u", UserRun("u")),
        (Options(), {"dspy.compile.parent.id": "o"}, "u", CompileRun("o")),
        (Options(), {"dspy.compile.parent.id": "o", "dspy.compile.parent.trial.index": 2}, None,
         TrialRun("o", 2, CompileRun("o"))),
        (Options(log_evals=False), {"dspy.compile.parent.id": "o", "dspy.compile.parent.trial.index": 2}, None,
         CompileRun("o")),
    ],
)  # fmt: skip
def test_where_the_run_of_a_compile_is_created(
    options: Options, attributes: dict[str, Any], user_run: str | None, parent: object
) -> None:
    """Child of the innermost enclosing trial, compile or user's run that is logged."""
    context = TraceContext(trace_id="t", root_id="r", kind=RootKind.COMPILE, compile_id=CID, user_run=user_run)
    assert (
        only(operations_of("setup", options=options, context=context, **IDENTITY, **attributes), EnsureRun).parent
        == parent
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (Options(), ["EnsureRun", "LogProgram", "LogChanges", "EndRun", "LogSpan"]),
        (Options(log_evals=False), ["LogSpan"]),
        (Options(log_traces=False), ["EnsureRun", "LogProgram", "LogChanges", "EndRun"]),
        (Options(log_traces_from_compile=False), ["EnsureRun", "LogProgram", "LogChanges", "EndRun"]),
        (Options(log_traces_from_eval=False), ["EnsureRun", "LogProgram", "LogChanges", "EndRun", "LogSpan"]),
        (Options(log_compiles=False), ["EnsureRun", "LogProgram", "LogChanges", "EndRun", "LogSpan"]),
    ],
)
def test_flags_choose_what_a_trial_becomes(options: Options, expected: list[str]) -> None:
    """Each flag disables only its own data."""
    operations = operations_of(
        "trial", options=options, dspy__compile__id=CID, dspy__trial__index=0, dspy__program__id="p"
    )
    assert kinds(operations) == expected


def test_a_trials_state_is_kept_even_where_no_run_wants_it() -> None:
    """With `log_evals=False` the compile's best model may still be a state that only a trial carried."""
    operations = operations_of("trial", options=Options(log_evals=False), dspy__compile__id=CID, dspy__trial__index=0,
                      dspy__program__id="p", dspy__program__state="{}")  # fmt: skip
    assert only(operations, KeepProgram).program_id == "p"


@pytest.mark.parametrize(
    ("kind", "compile_id", "trial", "user_run", "options", "run"),
    [
        (RootKind.EXAMPLE, CID, 1, None, Options(), TrialRun(CID, 1, CompileRun(CID))),
        (RootKind.EXAMPLE, CID, 1, None, Options(log_evals=False), CompileRun(CID)),
        (RootKind.EXAMPLE, CID, 1, None, Options(log_compiles=False), TrialRun(CID, 1, None)),
        (RootKind.EXAMPLE, None, None, None, Options(), EvaluateRun("e", "f")),
        (RootKind.EXAMPLE, None, None, "u", Options(), UserRun("u")),
        (RootKind.EXAMPLE, None, None, None, Options(log_evals=False), None),
        (RootKind.COMPILE, CID, None, "u", Options(), CompileRun(CID)),
        (RootKind.EVALUATE, CID, 1, None, Options(), CompileRun(CID)),
        (RootKind.EXAMPLE, CID, None, None, Options(log_compiles=False), None),
        (RootKind.CALL, None, None, None, Options(), None),
        (RootKind.CALL, None, None, "u", Options(), UserRun("u")),
    ],
)
def test_which_run_a_trace_belongs_to(  # noqa: PLR0913, PLR0917 - a column each
    kind: RootKind, compile_id: str | None, trial: int | None, user_run: str | None, options: Options, run: object
) -> None:
    """The nearest run that is recorded."""
    context = TraceContext(trace_id="t", root_id="s", kind=kind, compile_id=compile_id, trial=trial,
                           evaluate=("e", "f") if kind is RootKind.EXAMPLE else None, user_run=user_run)  # fmt: skip
    assert only(operations_of("example", options=options, context=context), LogTrace).run == run


@pytest.mark.parametrize(
    ("options", "logged"),
    [
        (Options(), {"compile", "evaluate", "example", "call"}),
        (Options(log_traces=False), set[str]()),
        (Options(log_traces_from_eval=False), {"compile", "call"}),
        (Options(log_traces_from_compile=False), {"evaluate", "example", "call"}),
    ],
)
def test_flags_choose_which_traces_are_logged(options: Options, logged: set[str]) -> None:
    """Those of compiles and of evaluations outside compiles; a call's by `log_traces` alone."""
    found = {
        kind.value
        for kind in RootKind
        if operations_of("module", options=options, context=TraceContext(
            trace_id="t", root_id="s", kind=kind, compile_id=CID if kind is RootKind.COMPILE else None
        ))
    }  # fmt: skip
    assert found == logged


def test_a_root_is_logged_without_its_parent() -> None:
    """MLflow leaves a trace whose root has a parent IN_PROGRESS forever."""
    assert only(operations_of("module", span_id="root"), LogSpan).parent_id is None
    assert only(operations_of("module", span_id="other"), LogSpan).parent_id == "root"
