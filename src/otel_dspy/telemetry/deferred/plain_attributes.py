"""Attributes of spans that are set without the SDK's check of each value, where all values are texts and numbers.

The SDK leaves these unchanged unless a limit applies, but checks and adds each by several functions, which takes longer
than to end the span.

It keeps attributes under private names; if one is missing, it checks all values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry.attributes import BoundedAttributes
from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.trace import Span

_NAMES: Final = frozenset({"_dict", "_lock", "_immutable", "maxlen", "max_value_len"})
_is_known: Final = hasattr(BoundedAttributes, "_set_items") and vars(BoundedAttributes()).keys() >= _NAMES
_TEXT: Final = frozenset({str})
_PLAIN: Final = frozenset({str, int, float, bool})
"""Types of values that the SDK leaves unchanged."""


class _PlainAttributes(BoundedAttributes):
    """The attributes of a span; sets several of plain types at once."""

    @override
    def _set_items(self, attributes: Mapping[str, Any]) -> None:
        plain = _plain(attributes)
        if plain is not None and self.max_value_len is None and not self._immutable:
            with self._lock:
                held = self._dict
                fits = self.maxlen is None or len(held) + len(plain) <= self.maxlen
                if fits and held.keys().isdisjoint(plain):  # the SDK moves one that is set again to the end
                    held.update(plain)
                    return
        super()._set_items(attributes)


def _plain(attributes: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return attributes as the SDK keeps them; None if a name or a value must be checked."""
    if not isinstance(attributes, dict) or "" in attributes or not _TEXT.issuperset(map(type, attributes)):
        return None
    plain = attributes.copy()
    if not _PLAIN.issuperset(map(type, plain.values())):
        for name, value in attributes.items():
            if type(value) is list and _TEXT.issuperset(map(type, value)):  # pyright: ignore[reportUnknownArgumentType] - `cast` is a function call
                plain[name] = tuple(value)  # pyright: ignore[reportUnknownArgumentType] - the same
            elif type(value) not in _PLAIN:  # pyright: ignore[reportUnknownArgumentType] - the same
                return None
    return plain


def skip_value_checks(span: Span) -> None:
    """Let a span of the SDK take texts and numbers unchecked in `set_attributes` from now on. Without other effects."""
    attributes: Any = getattr(span, "_attributes", None)
    if _is_known and type(attributes) is BoundedAttributes:
        attributes.__class__ = _PlainAttributes
