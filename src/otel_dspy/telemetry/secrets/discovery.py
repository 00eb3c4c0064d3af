"""Objects that hold secrets of their own: models, engines, retrievers, tools and programs."""

from __future__ import annotations

import contextlib
import weakref
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, cast

from otel_dspy.serialization.program_modules import named_modules
from otel_dspy.telemetry.secrets.names import is_secret_name
from otel_dspy.telemetry.secrets.patterns import REDACTED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.util.types import AnyValue

_HELD: Final = ("engine", "engine_spec", "async_engine_spec", "client", "model", "rm", "embedder")
"""Attributes whose objects do the work of the one that has them, and may hold its key."""
_DEEPEST: Final = 2
_MOST_FIELDS: Final = 32
_LEVELS: Final = 3
"""Of a tool's arguments, that are models or objects themselves."""


class FirstMeetings:
    """Tells the first meeting with each object from the later ones, and holds none of the objects."""

    def __init__(self) -> None:
        self._met: dict[int, weakref.ref[object]] = {}

    def is_first(self, met: object) -> bool:
        """Whether it was not asked for this object before; True always for one that takes no weak references."""
        key = id(met)
        known = self._met.get(key)
        if known is not None and known() is met:
            return False
        with contextlib.suppress(TypeError):
            self._met[key] = weakref.ref(met, lambda _: self._met.pop(key, None))
        return True


def attributes(holder: object) -> list[tuple[str, object]]:
    """What an object holds under a secret's name, and the objects that it works with hold."""
    return list(_attributes(holder, _DEEPEST))


def defaults(tool: object) -> list[tuple[str, object]]:
    """What the arguments of a `dspy.Tool` are where nothing is given, by their names."""
    args: Any = getattr(tool, "args", None)
    return list(_defaults(cast("Mapping[str, Any]", args), _LEVELS)) if isinstance(args, Mapping) else []


def without_secret_defaults(schema: Mapping[str, AnyValue]) -> dict[str, AnyValue]:
    """A tool's arguments as they are described, as plain data, without what a secret's name has for a default."""
    told: dict[str, AnyValue] = {}
    for name, described in schema.items():
        if isinstance(described, Mapping):
            inner = without_secret_defaults(described)
            secret = is_secret_name(name) and inner.get("default")
            told[name] = {**inner, "default": REDACTED} if secret else inner
        else:
            told[name] = described
    return told


def named_in(value: object) -> dict[str, object]:
    """The first fields of a dictionary or of a model of pydantic; nothing of anything else."""
    if isinstance(value, dict):
        fields = cast("dict[object, object]", value)
    elif hasattr(type(value), "model_fields"):
        fields = cast("dict[object, object]", vars(value))
    else:
        return {}
    return {str(name): item for name, item in islice(fields.items(), _MOST_FIELDS)}


def tools(holder: object) -> list[Any]:
    """The tools of an agent."""
    held: Any = getattr(holder, "tools", None)
    return list(cast("Mapping[str, Any]", held).values()) if isinstance(held, Mapping) else []


def parts(program: object) -> list[Any]:
    """The program and the modules inside of it; nothing of what is no `dspy.Module`."""
    return [part for _, part in named_modules(program)]


def _attributes(holder: object, depth: int) -> Iterator[tuple[str, object]]:
    held = cast("dict[str, object]", getattr(holder, "__dict__", None) or {})
    for name, value in list(held.items()):
        if is_secret_name(name):
            yield name, value
        elif depth and name.lstrip("_") in _HELD and not isinstance(value, str | type):
            yield from _attributes(value, depth - 1)


def _defaults(schemas: Mapping[str, Any], levels: int) -> Iterator[tuple[str, object]]:
    for name, schema in schemas.items():
        if not isinstance(schema, Mapping):
            continue
        described = cast("Mapping[str, Any]", schema)
        if described.get("default") is not None:
            yield str(name), described["default"]
        inner = described.get("properties")
        if levels and isinstance(inner, Mapping):
            yield from _defaults(cast("Mapping[str, Any]", inner), levels - 1)
