"""One line of text for an example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_dspy.formatting.trial_values import NONE
from otel_dspy.reporting.sections.predictions import value_text

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from otel_dspy.reporting.compile_result import Example, ExampleResult, Trial

NO_ANSWER: Final = "no answer"
"""A field that the program returned without a value."""


def example_text(example: Example, length: int) -> str:
    """Return the inputs of an example in one line of at most `length` characters; its id without content."""
    return fields_text(example.inputs, length) if example.inputs else f"example {example.id}"


def answer_text(trial: Trial, result: ExampleResult, length: int, only: Container[str] = ()) -> str:
    """Return the prediction in one line, or the error; `no answer` for a field without a value.

    Args:
        trial: the trial of the result: its other predictions show which fields the program has; without any, the
            content was not recorded.
        result: the result.
        length: the most characters of a prediction.
        only: fields to show; all if the program has none of them.
    """
    if result.error is not None:
        return result.error
    every = dict.fromkeys(name for one in trial.results for name in one.prediction)
    fields = [name for name in every if name in only] or every
    return fields_text({name: result.prediction.get(name, NO_ANSWER) for name in fields}, length)


def fields_text(fields: Mapping[str, object], length: int) -> str:
    """Return the values of fields in one line; with several fields each has its name before it; `-` without any.

    Args:
        fields: values by name.
        length: the most characters; a longer text ends in an ellipsis.
    """
    if not fields:
        return NONE
    values = {name: " ".join(value_text(value).split()) for name, value in fields.items()}
    line = next(iter(values.values())) if len(values) == 1 else ", ".join(f"{n}: {text}" for n, text in values.items())
    return line if len(line) <= length else line[: length - 1] + "…"
