from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import dspy
import pytest

from tests.behavior.model import model
from tests.support.addition_task import exact
from tests.support.dspy_answers import dspy_script
from tests.support.gepa_task import optimize, reflection_lm
from tests.support.in_process_lm import in_process_lm
from tests.support.span_recorder import recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.span_recorder import Recorder

_dspy: Any = dspy
_MAIL: Final = "max@example.org"
_REPLACED: Final = "<mail>"
_KEPT: Final = frozenset({"dspy.program.state"})
"""Content that the redactor does not see, because it has to stay loadable."""


def _redact(_name: str, text: str) -> str:
    return text.replace(_MAIL, _REPLACED)


def _attributes(recorder: Recorder) -> Iterator[tuple[str, str]]:
    for span in recorder.spans:
        yield "status", str(span.status.description)
        yield from ((name, str(value)) for name, value in (span.attributes or {}).items())
    for _, attributes in recorder.events():
        yield from ((name, str(value)) for name, value in attributes.items())


def _redacted(act: Callable[[], object], **settings: Any) -> set[str]:
    """Names of the attributes from which the redactor took something while `act` ran; fails if one still has it."""
    with recording(capture_content=True, redact=_redact, **settings) as recorder:
        act()
        found = [(name, text) for name, text in _attributes(recorder) if name not in _KEPT]
    assert [(name, text) for name, text in found if _MAIL in text] == []
    return {name for name, text in found if _REPLACED in text}


def _mail_lm() -> dspy.LM:
    return in_process_lm(
        dspy_script(
            {
                "answer": lambda _: _MAIL,
                "proposed_instruction": lambda inputs: f"Answer with {_MAIL}. {sorted(inputs)} {len(str(inputs))}",
                "new_instruction": lambda _: f"Knows 1 2. Ask {_MAIL}.",
                "next_thought": lambda _: f"ask {_MAIL}",
                "next_tool_name": lambda _: "lookup",
                "next_tool_args": lambda _: f'{{"name": "{_MAIL}"}}',
                "generated_code": lambda _: f"print('{_MAIL}')",
            }
        )
    )


def _examples() -> list[dspy.Example]:
    return [
        dspy.Example(question=f"{number}: {_MAIL}", answer=_MAIL, note=_MAIL).with_inputs("question")
        for number in range(2)
    ]


def _judged(example: Any, prediction: Any, trace: object = None) -> Any:
    if example["question"].startswith("1"):
        raise ValueError(f"no such mail: {_MAIL}")
    return dspy.Prediction(score=exact(example, prediction, trace), feedback=f"{_MAIL} is right")


def _evaluate() -> None:
    dspy.Evaluate(devset=_examples(), metric=_judged, num_threads=1)(_dspy.Predict("question -> answer"))


def _mipro() -> None:
    program = _dspy.Predict(_dspy.Signature("question -> answer", f"Write to {_MAIL}."))
    optimizer: Any = dspy.MIPROv2(
        metric=exact, auto=None, num_candidates=2, num_threads=1, max_bootstrapped_demos=1, max_labeled_demos=1
    )
    optimizer.compile(program, trainset=_examples(), valset=_examples()[:1], num_trials=2, minibatch=False)


def _gepa() -> None:
    optimize(reflection_lm=reflection_lm([f"Knows 1 2. Ask {_MAIL}."]), max_metric_calls=20)


def _use_a_tool() -> None:
    def lookup(name: str) -> str:
        """Look max@example.org up."""
        return f"{name} is known"

    _dspy.ReAct("question -> answer", tools=[lookup], max_iters=1)(question=_MAIL)


def _retrieve() -> None:
    def found(query: str, k: int) -> list[Any]:
        return [dspy.Prediction(long_text=f"{query} {k}")]

    with dspy.context(rm=found):
        _dspy.Retrieve(k=1)(_MAIL)


def _interpret() -> None:
    class Echo:
        """Gives the code back."""

        def __init__(self) -> None:
            self.tools: dict[str, Any] = {}

        def start(self) -> None:
            """Nothing to start."""

        def shutdown(self) -> None:
            """Nothing to end."""

        def execute(self, code: str, variables: Any = None) -> Any:
            """The code itself."""
            del variables
            return code

    _dspy.ProgramOfThought("question -> answer", interpreter_factory=Echo)(question=_MAIL)


_CALL: Final = {"dspy.module.input", "dspy.module.output", "gen_ai.input.messages", "gen_ai.output.messages"}
_EXAMPLE: Final = {"dspy.evaluate.results", "dspy.example.inputs", "dspy.example.labels", "dspy.example.prediction"}


@pytest.mark.parametrize(
    ("act", "settings", "attributes"),
    [
        pytest.param(
            _evaluate,
            {"capture_adapters": True},
            {
                *_CALL,
                *_EXAMPLE,
                "dspy.adapter.input",
                "dspy.adapter.output",
                "dspy.dataset.rows",
                "dspy.example.error.message",
                "dspy.example.feedback",
                "dspy.failures.first.message",
                "gen_ai.evaluation.explanation",
                "status",
            },
            id="an evaluation",
        ),
        pytest.param(
            _mipro,
            {},
            {
                *_CALL,
                *_EXAMPLE,
                "dspy.dataset.rows",
                "dspy.phase.demos",
                "dspy.phase.instructions",
                "dspy.trial.candidate",
            },
            id="MIPROv2",
        ),
        pytest.param(
            _gepa,
            {},
            {
                *_CALL - {"dspy.module.input"},
                "dspy.trial.candidate",
            },
            id="GEPA",
        ),
        pytest.param(
            _use_a_tool,
            {},
            {
                *_CALL,
                "gen_ai.tool.call.arguments",
                "gen_ai.tool.call.result",
                "gen_ai.tool.definitions",
                "gen_ai.tool.description",
            },
            id="a tool",
        ),
        pytest.param(_retrieve, {}, {"gen_ai.retrieval.query.text", "dspy.retrieval.passages"}, id="a retriever"),
        pytest.param(_interpret, {}, {*_CALL, "dspy.interpreter.code", "dspy.interpreter.result"}, id="an interpreter"),
    ],
)
def test_the_redactor_sees_every_content_attribute(
    act: Callable[[], object], settings: dict[str, Any], attributes: set[str]
) -> None:
    """Nothing that it takes out is on any span, status or event; program states alone are not its business."""
    with dspy.context(lm=_mail_lm()):
        assert _redacted(act, **settings) == attributes


def test_a_redactor_may_call_a_program() -> None:
    """Its calls are not recorded: they have no spans, and their texts are not redacted in their turn."""
    asked: list[str] = []

    def redact(name: str, _text: str) -> str:
        asked.append(name)
        assert len(asked) < 100
        with dspy.context(lm=model()):
            return str(_dspy.Predict("question -> answer")(question="1+2").answer)

    with dspy.context(lm=model()), recording(capture_content=True, redact=redact) as recorder:
        _dspy.Predict("question -> answer")(question="3+4")
        spans = [span.name for span in recorder.spans]
    assert len(spans) == 2
