"""Attributes and operations of trials and evaluations, as their spans and runs have them."""

from __future__ import annotations

from typing import Any

from otel_dspy.mlflow.mapping.run_keys import CompileRun, TrialRun
from otel_dspy.mlflow.records.route import Options, RootKind, TraceContext
from tests.support.mapped_spans import CID

TRACE = "t" * 32
COMPILE = CompileRun(CID)
RUN = TrialRun(CID, 4, COMPILE)
NO_COMPILES = Options(log_traces=False, log_compiles=False)
NO_TRIALS = Options(log_traces=False, log_evals=False)
ALONE = TraceContext(trace_id=TRACE, root_id="s", kind=RootKind.EVALUATE, evaluate=(TRACE, "s"))
PLACE: dict[str, Any] = {"dspy.compile.id": CID, "dspy.trial.index": 4}
PROGRAM: dict[str, Any] = {"dspy.program.id": "p", "dspy.program.state": "{}"}
FAILED: dict[str, Any] = {
    "dspy.failures.examples": 3,
    "dspy.failures.first.type": "ValueError",
    "dspy.failures.first.message": "no verdict",
}
FIRST_FAILURE = {"dspy.failures.first.type": "ValueError", "dspy.failures.first.message": "no verdict"}
