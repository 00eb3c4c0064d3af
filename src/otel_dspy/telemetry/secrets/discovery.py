"""Discovery of secrets in objects: models, engines, retrievers, tools and programs."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.serialization.json_types import is_mapping, is_object
from otel_dspy.serialization.program_modules import named_modules
from otel_dspy.telemetry.secrets.names import is_secret_name
from otel_dspy.telemetry.secrets.patterns import REDACTED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.util.types import AnyValue

_HELD: Final = ("engine", "engine_spec", "async_engine_spec", "client", "provider", "model", "rm", "embedder")
"""Attributes with objects to which their owner delegates and which may hold its key."""
_DEEPEST: Final = 2
_MOST_FIELDS: Final = 32
_LEVELS: Final = 3
"""Maximum nesting of a tool's arguments that are models or objects."""


class SeenObjects:
    """Set of objects that have been seen, without references that keep them alive."""

    def __init__(self) -> None:
        self._seen: dict[int, weakref.ref[object]] = {}

    def is_first(self, candidate: object) -> bool:
        """Return True on the first call for an object; always True if it supports no weak references."""
        key = id(candidate)
        known = self._seen.get(key)
        if known is not None and known() is candidate:
            return False
        with contextlib.suppress(TypeError):
            self._seen[key] = weakref.ref(candidate, lambda _: self._seen.pop(key, None))
        return True


def attributes(holder: object) -> list[tuple[str, object]]:
    """Return the attributes with a secret's name, of an object and of the objects that it delegates to.

    With them are its dictionaries of settings (`launch_kwargs`), whatever these contain.
    """
    return list(_attributes(holder, _DEEPEST))


def defaults(tool: object) -> list[tuple[str, object]]:
    """Return the default values of a `dspy.Tool`'s arguments, with their names."""
    args: object = getattr(tool, "args", None)
    return list(_defaults(args, _LEVELS)) if is_mapping(args) else []


def without_secret_defaults(schema: Mapping[str, AnyValue]) -> dict[str, AnyValue]:
    """Redact the defaults of arguments with a secret's name in a tool's argument schema (plain data)."""
    redacted: dict[str, AnyValue] = {}
    for name, described in schema.items():
        if isinstance(described, Mapping):
            inner = without_secret_defaults(described)
            secret = is_secret_name(name) and inner.get("default")
            redacted[name] = {**inner, "default": REDACTED} if secret else inner
        else:
            redacted[name] = described
    return redacted


def named_in(value: object) -> dict[str, object]:
    """Return the first fields of a dictionary or a pydantic model; empty for any other object."""
    fields: Mapping[str, object]
    if is_object(value):
        fields = value
    elif hasattr(type(value), "model_fields"):
        fields = vars(value)
    else:
        return {}
    return {str(name): item for name, item in islice(fields.items(), _MOST_FIELDS)}


def tools(holder: object) -> list[Any]:
    """Return the tools of an agent."""
    held: object = getattr(holder, "tools", None)
    return list(held.values()) if is_mapping(held) else []


def parts(program: object) -> list[Any]:
    """Return the program and the modules inside it; other objects are skipped."""
    return [part for _, part in named_modules(program)]


def _attributes(holder: object, depth: int) -> Iterator[tuple[str, object]]:
    held: object = getattr(holder, "__dict__", None)
    for name, value in list(held.items()) if is_mapping(held) else ():
        if is_secret_name(name) or (name.endswith("kwargs") and is_object(value)):
            yield name, value
        elif depth and name.lstrip("_") in _HELD and not isinstance(value, str | type):
            yield from _attributes(value, depth - 1)


def _defaults(schemas: Mapping[str, object], levels: int) -> Iterator[tuple[str, object]]:
    for name, schema in schemas.items():
        if not is_mapping(schema):
            continue
        if schema.get("default") is not None:
            yield str(name), schema["default"]
        inner = schema.get("properties")
        if levels and is_mapping(inner):
            yield from _defaults(inner, levels - 1)
