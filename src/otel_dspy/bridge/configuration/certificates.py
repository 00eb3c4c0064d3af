"""Validation of certificate and key files before the servers start, whose own errors do not name the file."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from otel_dspy.bridge.configuration.setting_error import BridgeSettingError

if TYPE_CHECKING:
    from pathlib import Path


def check(certificate: Path, key: Path, client_authority: Path | None) -> None:
    """Check that a TLS server can load the files.

    Args:
        certificate: `--tls-cert`.
        key: `--tls-key`.
        client_authority: `--tls-client-ca`; None if there is none.

    Raises:
        BridgeSettingError: a file cannot be read or used.
    """
    _check_certificates(certificate, "--tls-cert")
    if client_authority is not None:
        _check_certificates(client_authority, "--tls-client-ca")
    try:
        # With an empty password OpenSSL does not prompt for one on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise BridgeSettingError(f"--tls-key: {key} is not the key of {certificate}") from error
        raise BridgeSettingError(f"--tls-key: {key} contains no PEM key, or an encrypted one") from error
    except OSError as error:
        raise BridgeSettingError(f"--tls-key: {key} cannot be read: {error.strerror}") from error


def _check_certificates(file: Path, flag: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(file)
    except ssl.SSLError as error:
        raise BridgeSettingError(f"{flag}: {file} contains no PEM certificate") from error
    except OSError as error:
        raise BridgeSettingError(f"{flag}: {file} cannot be read: {error.strerror}") from error
