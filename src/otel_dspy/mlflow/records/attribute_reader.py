"""Typed access to a span's attributes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from otel_dspy import semconv as sc
from otel_dspy.mlflow.records import incomplete_json_warning, unexpected_type_warning
from otel_dspy.mlflow.records.span_records import CompileIdentity, Failures, Usage
from otel_dspy.serialization.json_types import whole_number

if TYPE_CHECKING:
    from otel_dspy.mlflow.records.span import Attributes, AttributeValue, SpanRecord

ROLE = "role."
MODEL = "model."
"""Separators before the name of a role, and of a language model."""


class AttributeReader:
    """Reads the attributes of one span by type.

    Pipelines that convert spans to JSON of their own may change the type of a number. A double without a fraction is
    read as an integer, and an integer as a double. Any other value of another type counts as absent, and is logged as a
    warning once for each attribute; a text is never parsed, nor is a number read as a boolean.
    """

    def __init__(self, span: SpanRecord) -> None:
        self._span = span.name
        self._attributes = span.attributes

    def text(self, name: str) -> str | None:
        """Return a string; None if absent."""
        value = self._attributes.get(name)
        return value if isinstance(value, str) else self._unexpected(name, value, str)

    def json(self, name: str) -> str | None:
        """Return a string of JSON; None if absent or cut, which is logged as a warning once for each attribute."""
        text = self.text(name)
        if text is None or not incomplete_json_warning.is_incomplete(text):
            return text
        incomplete_json_warning.WARNING.log(self._span, name, len(text))
        return None

    def integer(self, name: str) -> int | None:
        """Return an integer; None if absent."""
        value = self._attributes.get(name)
        whole = whole_number(value)
        return self._unexpected(name, value, int) if whole is None else whole

    def number(self, name: str) -> float | None:
        """Return an integer or a float as a float; None if absent."""
        value = self._attributes.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return float(value)
        return self._unexpected(name, value, float)

    def flag(self, name: str) -> bool | None:
        """Return a truth value; None if absent."""
        value = self._attributes.get(name)
        return value if isinstance(value, bool) else self._unexpected(name, value, bool)

    def _unexpected(self, name: str, value: AttributeValue | None, expected: type[float | str]) -> None:
        if value is not None:
            unexpected_type_warning.WARNING.log(self._span, name, value, expected)

    def texts(self, name: str) -> tuple[str, ...]:
        """Return an array as strings; empty if absent."""
        value = self._attributes.get(name)
        if isinstance(value, str) or not isinstance(value, Sequence):
            return ()
        return tuple(str(item) for item in value)

    def family(self, prefix: str) -> Attributes:
        """Return the attributes whose names begin so, by the rest of their names."""
        return {name[len(prefix) :]: value for name, value in self._attributes.items() if name.startswith(prefix)}

    def numbers(self, prefix: str) -> dict[str, float]:
        """Return the numbers among `family(prefix)`."""
        found = {name: self.number(prefix + name) for name in self.family(prefix)}
        return {name: value for name, value in found.items() if value is not None}

    def usage(self, prefix: str) -> Usage:
        """Return token counts and costs, in all, by role and by language model."""
        return replace(
            self._sums(prefix),
            by_role={role: self._sums(f"{prefix}{ROLE}{role}.") for role in self._parts(f"{prefix}{ROLE}")},
            by_model={model: self._sums(f"{prefix}{MODEL}{model}.") for model in self._parts(f"{prefix}{MODEL}")},
        )

    def _sums(self, prefix: str) -> Usage:
        return Usage(
            input_tokens=self.integer(f"{prefix}input_tokens"),
            output_tokens=self.integer(f"{prefix}output_tokens"),
            lm_calls=self.integer(f"{prefix}lm_calls"),
            cache_hits=self.integer(f"{prefix}cache_hits"),
            cost=self.number(f"{prefix}cost"),
            unpriced_calls=self.integer(f"{prefix}unpriced_calls"),
            embedding_calls=self.integer(f"{prefix}embedding_calls"),
            late_calls=self.integer(f"{prefix}late_calls"),
        )

    def failures(self) -> Failures | None:
        """Return the failures of examples; None if there are none."""
        count = self.integer(sc.DSPY_FAILURES_EXAMPLES)
        if not count:
            return None
        return Failures(
            examples=count,
            every=self.flag(sc.DSPY_FAILURES_ALL) or False,
            first_type=self.text(sc.DSPY_FAILURES_FIRST_TYPE),
            first_message=self.text(sc.DSPY_FAILURES_FIRST_MESSAGE),
        )

    def _parts(self, prefix: str) -> list[str]:
        # A model's name may contain dots, the name of a count does not.
        return sorted({name.rpartition(".")[0] for name in self.family(prefix)} - {""})

    def identity(self) -> CompileIdentity | None:
        """Return the identity of the compile; None if absent."""
        compile_id = self.text(sc.DSPY_COMPILE_ID)
        if compile_id is None:
            return None
        return CompileIdentity(
            compile_id=compile_id,
            parent_id=self.text(sc.DSPY_COMPILE_PARENT_ID),
            parent_trial=self.integer(sc.DSPY_COMPILE_PARENT_TRIAL_INDEX),
            optimizer=self.text(sc.DSPY_OPTIMIZER_NAME) or "optimizer",
            program=self.text(sc.DSPY_PROGRAM_NAME) or "program",
            metric=self.text(sc.DSPY_METRIC_NAME),
        )
