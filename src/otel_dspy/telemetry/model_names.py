"""Language models' names as parts of attribute names: cleared of secrets, printable, of bounded length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_LENGTH: Final = 100
"""Characters; the rest is cut off."""
_MAX_NAMES: Final = 256


class ModelNames:
    """Cache from models' names to what stands for them in attribute names.

    An attribute's name does not pass through the redaction of attribute values, so the name is redacted here. It is
    done once for each name, because every call of a language model reads one.
    """

    def __init__(self, scrub: Callable[[str], str]) -> None:
        self._scrub = scrub
        self._known: dict[str, str] = {}

    def of(self, model: str) -> str:
        """The name to be used for `model`, never empty."""
        found = self._known.get(model)
        if found is None:
            found = _printable(self._scrub(model))
            if len(self._known) >= _MAX_NAMES:
                self._known.clear()
            self._known[model] = found
        return found


def _printable(text: str) -> str:
    # Exporters reject a whole batch for a lone surrogate, MLflow's stores one for NUL.
    return "".join(char if char.isprintable() else "_" for char in text[:_MAX_LENGTH]).strip() or "_"
