"""Names of language models for use in attribute names: without secrets, printable, of bounded length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_MAX_LENGTH: Final = 100
"""Maximum length in characters; longer names are truncated."""
_MAX_NAMES: Final = 256


class ModelNames:
    """Cache of model names as they are used in attribute names.

    Redaction of attribute values does not apply to attribute names, so the name is redacted here, once for each model,
    because every language model call uses one.
    """

    def __init__(self, scrub: Callable[[str], str]) -> None:
        self._scrub = scrub
        self._known: dict[str, str] = {}

    def of(self, model: str) -> str:
        """Return the name for `model` in attribute names; never empty."""
        found = self._known.get(model)
        if found is None:
            found = _printable(self._scrub(model))
            if len(self._known) >= _MAX_NAMES:
                self._known.clear()
            self._known[model] = found
        return found


def _printable(text: str) -> str:
    # A lone surrogate makes exporters fail on the whole batch; a NUL makes MLflow's stores fail on one.
    return "".join(char if char.isprintable() else "_" for char in text[:_MAX_LENGTH]).strip() or "_"
