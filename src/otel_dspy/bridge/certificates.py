"""Files of certificates and keys, looked at before anything listens: no server says which of them it could not use."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from otel_dspy.bridge.setting_error import BridgeSettingError

if TYPE_CHECKING:
    from pathlib import Path


def check(certificate: Path, key: Path, client_authority: Path | None) -> None:
    """See that a server can use them.

    Args:
        certificate: `--tls-cert`.
        key: `--tls-key`.
        client_authority: `--tls-client-ca`; None if there is none.

    Raises:
        BridgeSettingError: it cannot.
    """
    _check_certificates(certificate, "--tls-cert")
    if client_authority is not None:
        _check_certificates(client_authority, "--tls-client-ca")
    try:
        # A password in place, lest it be asked for on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise BridgeSettingError(f"--tls-key: {key} is not the key of {certificate}") from error
        raise BridgeSettingError(f"--tls-key: {key} holds no key in PEM form, or one with a password") from error
    except OSError as error:
        raise BridgeSettingError(f"--tls-key: {key} cannot be read: {error.strerror}") from error


def _check_certificates(file: Path, flag: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(file)
    except ssl.SSLError as error:
        raise BridgeSettingError(f"{flag}: {file} holds no certificate in PEM form") from error
    except OSError as error:
        raise BridgeSettingError(f"{flag}: {file} cannot be read: {error.strerror}") from error
