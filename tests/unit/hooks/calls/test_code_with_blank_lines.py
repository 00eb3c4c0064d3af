"""Code of a model of which DSPy runs the beginning."""

from __future__ import annotations

import json
from typing import Any

import dspy
import pytest
from dspy.primitives.local_interpreter import LocalInterpreter

from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording

CODE = "import math\n\n\ndef three():\n    return 3\n\n\nSUBMIT({'answer': three()})"


@pytest.mark.filterwarnings("ignore:ProgramOfThought is deprecated:DeprecationWarning")
def test_the_interpreters_span_has_the_code_that_was_run() -> None:
    """The model's call has the code as it was written, the interpreter's what ran of it, the next call its result."""
    program: Any = dspy.ProgramOfThought("question -> answer", interpreter_factory=LocalInterpreter)
    lm = in_process_lm(dspy_script({"generated_code": lambda _: CODE, "answer": lambda _: "a guess"}))
    with dspy.context(lm=lm), recording(capture_content=True) as recorder:
        assert program(question="1+2").answer == "a guess"
    assert [run["interpreter.code"] for run in recorder.attributes_of("interpreter execute")] == ["import math"]
    first, second = recorder.attributes_of("chat")
    assert "three()" in json.loads(first["gen_ai.output.messages"])[0]["parts"][0]["content"]
    assert "[[ ## code_output ## ]]\nnull" in json.loads(second["gen_ai.input.messages"])[-1]["parts"][0]["content"]
