"""Addresses that the bridge listens on, and the TLS files of their connections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_dspy.bridge.configuration.setting_error import BridgeSettingError

if TYPE_CHECKING:
    from pathlib import Path

HIGHEST_PORT: Final = 65_535


@dataclass(frozen=True, slots=True)
class Address:
    """Address to listen on.

    Attributes:
        host: host name or IP address.
        port: port; 0 for any free one.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, flag: str) -> Address:
        """Parse `HOST:PORT`.

        Raises:
            BridgeSettingError: the text is not `HOST:PORT`.
        """
        host, _, port = text.rpartition(":")
        if not host or not port.isdecimal() or int(port) > HIGHEST_PORT:
            raise BridgeSettingError(f"{flag}: {text!r} is not HOST:PORT")
        return cls(host, int(port))

    def __str__(self) -> str:
        """Return `HOST:PORT`."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Tls:
    """TLS files in PEM format.

    Attributes:
        certificate: certificate of the bridge, with intermediate certificates.
        key: key of the certificate.
        client_authority: CA certificate for client certificates; None if clients need none.
    """

    certificate: Path
    key: Path
    client_authority: Path | None = None
