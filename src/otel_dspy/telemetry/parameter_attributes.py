"""Conversion of parameters to span attributes: plain values only, without secrets."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, cast

from otel_dspy.runtime.error_guard import guarded
from otel_dspy.serialization.plain_data import has_method, plain
from otel_dspy.telemetry.secrets.names import is_secret_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.util.types import AnyValue, AttributeValue

    from otel_dspy.telemetry.secrets.scrubber import SecretKeeper

LARGEST_INT: Final = 2**63 - 1
"""Largest integer of OTLP (64 bits)."""
MAX_LEVELS: Final = 2
"""Levels of dicts that are recorded by key: `train_kwargs` of BootstrapFinetune may be a dict by language model."""


def plain_value(value: object, secrets: SecretKeeper) -> AttributeValue | None:
    """Convert a value to an attribute value; return None if it is not plain (None, an object, a mixed list).

    A function or class is converted to its name, a language model to its model name, a path to text, and a numpy value
    to a Python value.
    """
    if isinstance(value, PurePath):
        value = str(value)
    if isinstance(value, float):
        return float(value)
    listed = isinstance(value, bool | int | str | list | tuple | set | frozenset)
    if listed or has_method(value, "tolist"):
        return _attribute(plain(cast("object", value)), secrets)
    model: Any = getattr(value, "model", None)
    if isinstance(model, str):
        return secrets.scrub(model)
    name: Any = getattr(value, "__name__", None)
    return name if callable(value) and isinstance(name, str) else None


def _attribute(value: AnyValue, secrets: SecretKeeper) -> AttributeValue | None:
    if isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) <= LARGEST_INT else str(value)
    if isinstance(value, str):
        return secrets.scrub(value)
    if isinstance(value, list):
        items = [_attribute(item, secrets) for item in value if isinstance(item, bool | int | float | str)]
        types = {type(item) for item in items}
        return cast("AttributeValue", items) if len(items) == len(value) and len(types) == 1 else None
    return None


def parameter_attributes(
    prefix: str, parameters: Mapping[str, object], secrets: SecretKeeper, *, levels: int = MAX_LEVELS
) -> dict[str, AttributeValue]:
    """Return the attributes `<prefix><name>` of the parameters.

    A parameter with a secret's name is omitted, and its value is redacted from all texts. A dict becomes an attribute
    `<prefix><name>.<key>` for each string key. An object that is not a plain value becomes its class name.

    Args:
        prefix: prefix of the attribute names.
        parameters: name -> value.
        secrets: registry of known secrets.
        levels: levels of nested dicts to record.
    """
    attributes: dict[str, AttributeValue] = {}
    for name, value in parameters.items():
        if is_secret_name(name):
            secrets.learn(value)
            continue
        with guarded("a parameter"):
            if isinstance(value, dict):
                found = {key: held for key, held in cast("dict[object, object]", value).items() if type(key) is str}
                if levels:
                    attributes |= parameter_attributes(f"{prefix}{name}.", found, secrets, levels=levels - 1)
                continue
            attribute = plain_value(value, secrets)
            if attribute is None and type(value).__module__ != "builtins":
                attribute = type(value).__name__
            if attribute is not None:
                attributes[prefix + name] = attribute
    return attributes
