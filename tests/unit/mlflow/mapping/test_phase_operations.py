"""Operations of the phases of a compile."""

from __future__ import annotations

from typing import Any

import pytest

from otel_dspy.mlflow.mapping.operations import DescribeRunning, LogMetrics, LogText
from otel_dspy.mlflow.mapping.run_keys import CompileRun
from otel_dspy.mlflow.records.route import Options
from tests.support.mapped_spans import CID, mapped, span

RUN = CompileRun(CID)
NO_COMPILES = Options(log_traces=False, log_compiles=False)


def phase(name: str, optimizer: str | None = None, **products: str) -> Any:
    """A phase of the compile, with what it produced. Spans of former versions do not name the optimizer."""
    attributes = {f"dspy.phase.{product}": text for product, text in products.items()}
    named = {} if optimizer is None else {"dspy.optimizer.name": optimizer}
    return span("phase", {"dspy.compile.id": CID, "dspy.phase.name": name, **named, **attributes})


def test_a_phase_that_produces_candidates() -> None:
    """They are artifacts; the run has the name of the phase that ended, and is described as in the next one."""
    assert mapped(phase("bootstrap", demos='{"a": [[]]}')) == [
        LogMetrics(key="s/phase", run=RUN, tags={"otel_dspy.ended_phase.bootstrap": "true"}),
        DescribeRunning(key="s/running", run=RUN),
        LogText(key="s/candidates/demos", run=RUN, path="candidates/demos.json", text='{\n  "a": [\n    []\n  ]\n}'),
    ]
    assert [type(one) for one in mapped(phase("propose", instructions="{}"))] == [LogMetrics, DescribeRunning, LogText]
    assert mapped(phase("bootstrap", demos="{}"), options=NO_COMPILES) == []


@pytest.mark.parametrize("name", ["bootstrap", "propose"])
def test_a_phase_whose_candidates_are_not_captured(name: str) -> None:
    """Or that has produced none, as a bootstrap that MIPROv2 has given up: the next phase begins all the same."""
    assert mapped(phase(name, "MIPROv2")) == [
        LogMetrics(key="s/phase", run=RUN, tags={f"otel_dspy.ended_phase.{name}": "true"}),
        DescribeRunning(key="s/running", run=RUN),
    ]


def test_a_step_of_simba() -> None:
    """It is described anew, as in the next step; the trials of the run have the numbers of the steps."""
    assert mapped(phase("step", "SIMBA")) == [DescribeRunning(key="s/running", run=RUN)]
    assert mapped(phase("sample", "SIMBA")) == []


@pytest.mark.parametrize(
    "found",
    [
        phase("propose"),
        phase("propose", "GEPA"),
        phase("bootstrap", "BootstrapFewShot"),
        phase("validate"),
        phase("search", "MIPROv2"),
        span("phase", {"dspy.phase.name": "bootstrap"}),
    ],
)
def test_a_phase_inside_a_trial(found: Any) -> None:
    """Or of no compile: it changes no run, so that an optimizer with several in each trial makes no request for them."""
    assert mapped(found) == []


def test_the_demos_of_a_nested_step() -> None:
    """A selection of demos is no phase of the whole optimization."""
    assert [type(one) for one in mapped(phase("select", demos="{}"))] == [LogText]
