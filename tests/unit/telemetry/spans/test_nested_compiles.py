"""Spans of a compile inside a compile: what it shares with the outer one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dspy
import pytest

from otel_dspy.telemetry.call_context import call_context_in
from otel_dspy.telemetry.spans.compile import close_compile
from otel_dspy.telemetry.spans.setup import DatasetInfo, SetupInfo, emit_setup
from otel_dspy.telemetry.spans.trial import close_trial, open_trial
from otel_dspy.telemetry.spans.trial_info import TrialInfo, TrialOutcome, TrialState
from otel_dspy.telemetry.tallies.usage_tally import CallUsage
from tests.unit.telemetry.spans.emitted import Emitted, current
from tests.unit.telemetry.spans.opened_spans import CANDIDATE, EVERYTHING, EXAMPLE, INITIAL, opened_compile

if TYPE_CHECKING:
    from otel_dspy.telemetry.open_scopes import CompileScope

OTHER = dspy.Example(q="2+2", a="4").with_inputs("q")
PICTURE = f"data:image/png;base64,{'A' * 100_000}"
LARGE = dspy.Example(picture=PICTURE)


@pytest.mark.contract_gaps("and the calls below sum up to 0")  # the usage is counted without a call
def test_what_a_nested_compile_shares_with_the_outer_one() -> None:
    """It names the outer compile and its trial; rows that the outer one has recorded are not repeated; usage adds up."""
    emitted = Emitted(**EVERYTHING)
    telemetry = emitted.telemetry
    outer = opened_compile(emitted)
    data = SetupInfo(
        program=INITIAL,
        parameters={},
        lm_model=None,
        datasets=[
            DatasetInfo(role="train", name="trainset", examples=[EXAMPLE]),
            DatasetInfo(role="validation", name="valset", examples=[OTHER]),
        ],
    )
    emit_setup(telemetry, outer, data)
    trial = open_trial(telemetry, outer)
    with current(trial.context):
        inner = opened_compile(emitted, optimizer_name="Inner", role="prompt")
    assert call_context_in(inner.context).role == "prompt"
    mixed = [
        DatasetInfo(role="train", name="trainset", examples=[OTHER, EXAMPLE]),
        DatasetInfo(role="validation", name="valset", examples=[EXAMPLE, LARGE]),
        DatasetInfo(role="validation", name="valset", examples=[EXAMPLE, LARGE]),
    ]
    emit_setup(telemetry, inner, SetupInfo(program=INITIAL, parameters={}, lm_model=None, datasets=mixed))
    inner.usage.add(CallUsage(input_tokens=3, output_tokens=4, cost=0.5), "task", "gpt")
    close_compile(telemetry, inner, result=CANDIDATE, error=None)
    close_trial(telemetry, trial, TrialInfo(), TrialOutcome(state=TrialState.PRUNED))
    close_compile(telemetry, outer, result=None, error=None)

    named = {
        "dspy.compile.id": inner.id,
        "dspy.compile.parent.id": outer.id,
        "dspy.compile.parent.trial.index": 0,
        "dspy.compile.depth": 1,
        "dspy.optimizer.name": "Inner",
        "dspy.program.name": "Solver",
        "dspy.metric.name": "exact",
    }
    used = {
        f"dspy.{prefix}usage.{part}{name}": value
        for prefix in ("", "compile.")
        for part in ("", "role.task.", "model.gpt.")
        for name, value in {"input_tokens": 3, "output_tokens": 4, "lm_calls": 1, "cost": 0.5}.items()
    }
    used |= {f"dspy.{prefix}usage.{part}cache_hits": 0 for prefix in ("", "compile.") for part in ("", "role.task.")}
    own = {name: value for name, value in used.items() if not name.startswith("dspy.compile.")}
    assert emitted.tree() == [
        (1, None, "compile Opt"),
        (2, 1, "setup Opt"),
        (3, 2, "dataset train"),
        (4, 2, "dataset validation"),
        (5, 1, "trial Opt"),
        (6, 5, "compile Inner"),
        (7, 6, "setup Inner"),
        (8, 7, "dataset train"),
        (9, 7, "dataset validation"),
    ]
    assert emitted.attributes(6) == {
        "dspy.operation.name": "compile", **named, **own, "dspy.compile.trial.count": 0, "dspy.program.id": "p1", "dspy.program.state": CANDIDATE.state,
    }  # fmt: skip
    assert emitted.attributes(7) == {
        "dspy.operation.name": "setup", **named, "dspy.program.id": "p0", "dspy.program.state": '{"a": 1}'
    }  # fmt: skip
    assert "dspy.dataset.rows" not in emitted.attributes(8)
    assert emitted.attributes(9)["dspy.dataset.rows"] == f'[{{"q":"1+1","a":"2"}},{{"picture":"{PICTURE}"}}]'
    assert emitted.attributes(5) == {
        "dspy.operation.name": "trial", "dspy.compile.id": outer.id, "dspy.optimizer.name": "Opt",
        "dspy.trial.index": 0, "dspy.trial.kind": "candidate", "dspy.trial.scope": "full",
        "dspy.trial.state": "pruned", "dspy.trial.is_best": False, **used,
    }  # fmt: skip
    assert {name: value for name, value in emitted.attributes(1).items() if "usage" in name} == own


def test_a_second_nested_compile_is_deeper() -> None:
    """Depth 2, below the compile around it; without a trial there is no index of one."""
    emitted = Emitted()
    scopes: list[CompileScope] = [opened_compile(emitted)]
    for _ in range(2):
        with current(scopes[-1].context):
            scopes.append(opened_compile(emitted))
    for scope in reversed(scopes):
        close_compile(emitted.telemetry, scope, result=None, error=None)
    found = [
        {name: value for name, value in emitted.attributes(number).items() if "parent" in name or "depth" in name}
        for number in (1, 2, 3)
    ]
    assert found == [
        {},
        {"dspy.compile.parent.id": scopes[0].id, "dspy.compile.depth": 1},
        {"dspy.compile.parent.id": scopes[1].id, "dspy.compile.depth": 2},
    ]
