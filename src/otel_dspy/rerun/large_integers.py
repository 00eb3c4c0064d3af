"""Restoration of integers beyond 64 bits, which tables in MLflow have as texts.

Which of these texts were integers is known from the digest of the example, which is that of the fields as they were.
"""

from __future__ import annotations

import re
from itertools import product
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.serialization.json_types import is_array, is_mapping
from otel_dspy.serialization.programs import digest

if TYPE_CHECKING:
    from collections.abc import Mapping

_DIGITS: Final = re.compile(r"-?[1-9][0-9]{18,4299}")
"""An integer that may be beyond 64 bits, as Python writes it, and short enough for Python to parse."""
_TABLE_INTEGERS: Final = range(-(2**63), 2**64)
"""Integers that tables have as numbers."""
_MAX_FIELDS: Final = 8
"""Maximum number of fields with such texts, of which each may or may not have integers: 256 digests."""


def restored_fields(fields: Mapping[str, Any], identity: str | None) -> dict[str, Any]:
    """Return an example's fields with integers in place of the texts that were recorded for them.

    Args:
        fields: inputs and labels, as the table has them.
        identity: `dspy.example.id`, the digest of the example's fields; None if it is not recorded.

    Returns:
        The fields; unchanged where no choice of integers has that digest, as where fields were redacted.
    """
    parsed = {name: value for name, text in fields.items() if (value := _parsed(text)) != text}
    if identity is not None and 0 < len(parsed) <= _MAX_FIELDS:
        for chosen in product((True, False), repeat=len(parsed)):
            integers = {name: parsed[name] for name, is_integer in zip(parsed, chosen, strict=True) if is_integer}
            if digest({**fields, **integers}) == identity:
                return {**fields, **integers}
    return dict(fields)


def restored_prediction(prediction: Mapping[str, Any], fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return predicted fields with integers where the example's labels have them.

    Args:
        prediction: predicted fields, as the table has them.
        fields: the restored fields of the example.
    """
    return {name: _like(value, fields.get(name)) for name, value in prediction.items()}


def _like(value: Any, label: Any) -> Any:
    """Return a value with integers for the texts of integers at whose place the label has an integer."""
    if isinstance(label, int):
        return _parsed(value) if isinstance(value, str) else value
    if is_mapping(value) and is_mapping(label):
        return {name: _like(item, label.get(name)) for name, item in value.items()}
    if is_array(value) and is_array(label) and label:
        return [_like(item, label[min(place, len(label) - 1)]) for place, item in enumerate(value)]
    return value


def _parsed(value: Any) -> Any:
    """Return a value with an integer for each text that is the decimal form of one beyond 64 bits."""
    if isinstance(value, str):
        integer = int(value) if _DIGITS.fullmatch(value) else 0
        return value if integer in _TABLE_INTEGERS else integer
    if is_mapping(value):
        return {name: _parsed(item) for name, item in value.items()}
    if is_array(value):
        return [_parsed(item) for item in value]
    return value
