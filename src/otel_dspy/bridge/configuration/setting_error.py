"""Error for invalid bridge settings."""

from __future__ import annotations


class BridgeSettingError(ValueError):
    """A setting is invalid; the message names the setting and the reason."""
