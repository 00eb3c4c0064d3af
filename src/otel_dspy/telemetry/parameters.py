"""Parameters as span attributes: plain values only, secrets never."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from otel_dspy.telemetry.secrets import is_secret_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.util.types import AttributeValue

    from otel_dspy.telemetry.secrets import SecretKeeper

_LARGEST_INT: Final = 2**63 - 1
"""OTLP carries integers of 64 bits."""


def plain_value(value: object, secrets: SecretKeeper) -> AttributeValue | None:
    """The value as an attribute, or None where it is not plain (None, an object, a mixed list).

    A function or class becomes its name, a language model its model's name.
    """
    if isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if abs(value) <= _LARGEST_INT else str(value)
    if isinstance(value, str):
        return secrets.scrub(value)
    if isinstance(value, list | tuple | set | frozenset):
        return _plain_sequence(cast("Sequence[object]", value), secrets)
    model: Any = getattr(value, "model", None)
    if isinstance(model, str):
        return secrets.scrub(model)
    name: Any = getattr(value, "__name__", None)
    return name if callable(value) and isinstance(name, str) else None


def _plain_sequence(values: Sequence[object], secrets: SecretKeeper) -> AttributeValue | None:
    items = [plain_value(item, secrets) for item in values if isinstance(item, bool | int | float | str)]
    types = {type(item) for item in items}
    if len(items) != len(values) or len(types) > 1 or not items:
        return None
    return cast("AttributeValue", items)


def parameter_attributes(
    prefix: str, parameters: Mapping[str, object], secrets: SecretKeeper
) -> dict[str, AttributeValue]:
    """Attributes `<prefix><name>` of the plain parameters; a name that tells of a secret is left out and remembered."""
    attributes: dict[str, AttributeValue] = {}
    for name, value in parameters.items():
        if is_secret_name(name):
            secrets.learn(value)
            continue
        plain = plain_value(value, secrets)
        if plain is not None:
            attributes[prefix + name] = plain
    return attributes
