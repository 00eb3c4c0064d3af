"""Calls in an executor of the user's own, with opentelemetry-instrumentation-threading on; writes the tree as JSON.

`tests.living_with_others.worker` runs it.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from typing import Any

import dspy

from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording


def _ask() -> Any:
    with dspy.context(lm=in_process_lm(dspy_script({"answer": lambda _: "2"}))):
        return dspy.Predict("question -> answer")(question="1+1")


def main() -> None:
    """Two calls, one after the other."""
    import_module("opentelemetry.instrumentation.threading").ThreadingInstrumentor().instrument()
    with recording() as recorder:
        tracer = recorder.capture.tracer_provider.get_tracer("user")
        with tracer.start_as_current_span("the user's own"), ThreadPoolExecutor(2) as pool:
            for _ in range(2):
                pool.submit(_ask).result()
    sys.stdout.write(json.dumps({"tree": recorder.tree("")}) + "\n")
