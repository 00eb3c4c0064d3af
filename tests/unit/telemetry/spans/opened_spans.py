"""An open compile, and the programs, the example and the content options of its spans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy

from otel_dspy.serialization.programs import ProgramSnapshot
from otel_dspy.telemetry.spans.compile import CompileInfo, open_compile

if TYPE_CHECKING:
    from otel_dspy.telemetry.open_scopes import CompileScope
    from tests.unit.telemetry.spans.emitted import Emitted

INITIAL = ProgramSnapshot("p0", '{"a": 1}')
CANDIDATE = ProgramSnapshot("p1", '{"a": 2}')
EXAMPLE = dspy.Example(q="1+1", a="2").with_inputs("q")
EVERYTHING: dict[str, Any] = {"capture_content": True, "capture_programs": True, "capture_datasets": True}


def opened_compile(emitted: Emitted, **info: Any) -> CompileScope:
    """The scope of an open compile of program `Solver` by optimizer `Opt`, with further fields of `CompileInfo`."""
    given: dict[str, Any] = {"key": 1, "optimizer_name": "Opt", "program_name": "Solver", "metric_name": "exact"}
    return open_compile(emitted.telemetry, CompileInfo(**given | info))
