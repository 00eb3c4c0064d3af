"""Check of the OpenTelemetry providers that `instrument` is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_dspy.settings import SettingError

if TYPE_CHECKING:
    from collections.abc import Mapping

PROVIDERS: Final[Mapping[str, str]] = {
    "tracer_provider": "get_tracer", "meter_provider": "get_meter", "logger_provider": "get_logger",
}  # fmt: skip
"""Keyword of `instrument` -> the method that identifies a provider of that kind."""


def provider_given(name: str, value: Any) -> Any:  # noqa: ANN401 - a provider of any signal
    """Validate and return a provider passed to `instrument`; None if there is none.

    Raises:
        SettingError: the value is not a provider of this kind.
    """
    if value is None or (not isinstance(value, type) and callable(getattr(value, PROVIDERS[name], None))):
        return value
    kind = "a class, not an instance" if isinstance(value, type) else f"not a {name.replace('_', ' ')}"
    message = f"{name}: {value!r} is {kind}; leave it out for the global one"
    raise SettingError(message)
