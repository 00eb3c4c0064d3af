"""The one error of the bridge's settings."""

from __future__ import annotations


class BridgeSettingError(ValueError):
    """A setting cannot be used; the text says which and why."""
