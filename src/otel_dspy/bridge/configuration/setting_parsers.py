"""Parsers of the bridge's settings, which flags and environment variables give as texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from otel_dspy.bridge.configuration import certificates
from otel_dspy.bridge.configuration.listen_addresses import Address, Tls
from otel_dspy.bridge.configuration.setting_error import BridgeSettingError
from otel_dspy.bridge.durable_queue.queue_folder import default_folder
from otel_dspy.environment.boolean_text import boolean
from otel_dspy.environment.quantities import number_of_bytes, number_of_seconds
from otel_dspy.environment.variable_names import BRIDGE_TOKEN, of_bridge_flag

if TYPE_CHECKING:
    from collections.abc import Mapping


def address(text: str, flag: str) -> Address | None:
    """Parse `HOST:PORT`; None for `off`.

    Raises:
        BridgeSettingError: the text is neither.
    """
    return None if text == "off" else Address.parse(text, flag)


def queue_folder(text: str, grpc: Address | None, http: Address | None) -> Path | None:
    """Return the folder of the queue on disk; None for `none`. The default is named after the ports.

    Args:
        text: the flag's value; empty: the default.
        grpc: address of the gRPC server; None: off.
        http: address of the HTTP server; None: off.
    """
    if text == "none":
        return None
    return Path(text) if text else default_folder(*(address and address.port for address in (grpc, http)))


def switch(text: str, flag: str) -> bool:
    """Parse a boolean; the empty text is False.

    Raises:
        BridgeSettingError: the text is not a boolean.
    """
    try:
        return bool(text) and boolean(text)
    except ValueError:
        raise BridgeSettingError(f"{of_bridge_flag(flag)}: {text!r} is not a boolean: use true or false") from None


def seconds(text: str, flag: str) -> float:
    """Parse a number of seconds above 0.

    Raises:
        BridgeSettingError: the text is not such a number.
    """
    try:
        value = number_of_seconds(text)
    except ValueError as error:
        raise BridgeSettingError(f"--{flag}: {error}") from None
    if value == 0:
        raise BridgeSettingError(f"--{flag}: {text!r} is not a number of seconds above 0")
    return value


def size(text: str, flag: str, highest: int) -> int:
    """Parse a number of bytes.

    Args:
        text: number, with or without a unit.
        flag: names the setting in errors.
        highest: largest number of bytes that is accepted.

    Raises:
        BridgeSettingError: the text is not such a number.
    """
    try:
        value = number_of_bytes(text)
    except ValueError as error:
        raise BridgeSettingError(f"--{flag}: {error}") from None
    return _in_range(value, text, flag, highest)


def number(text: str, flag: str, highest: int) -> int:
    """Parse a whole number from 1.

    Args:
        text: decimal digits.
        flag: names the setting in errors.
        highest: largest number that is accepted.

    Raises:
        BridgeSettingError: the text is not such a number.
    """
    return _in_range(int(text) if text.isdecimal() else 0, text, flag, highest)


def _in_range(value: int, text: str, flag: str, highest: int) -> int:
    if not 1 <= value <= highest:
        raise BridgeSettingError(f"--{flag}: {text!r} is not a whole number from 1 to {highest}")
    return value


def token(file: str, environment: Mapping[str, str]) -> str | None:
    """Return the bearer token, from its file or its environment variable; None if neither is set.

    Raises:
        BridgeSettingError: the file has no token.
    """
    if file:
        try:
            text = Path(file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise BridgeSettingError(f"--token-file: {file} cannot be read: {error.strerror}") from error
        except UnicodeDecodeError as error:
            raise BridgeSettingError(f"--token-file: {file} is not UTF-8 text") from error
        if not text:
            raise BridgeSettingError(f"--token-file: {file} is empty")
        return text
    return environment.get(BRIDGE_TOKEN, "").strip() or None


def tls(certificate: str, key: str, authority: str) -> Tls | None:
    """Return the TLS files, which are checked; None for plain text.

    Args:
        certificate: path of the server's certificate; empty: none.
        key: path of its private key; empty: none.
        authority: path of the authority of client certificates; empty: clients need none.

    Raises:
        BridgeSettingError: one is missing or invalid.
    """
    if not certificate and not key:
        if authority:
            raise BridgeSettingError("--tls-client-ca needs --tls-cert and --tls-key")
        return None
    if not certificate or not key:
        raise BridgeSettingError("--tls-cert and --tls-key must be set together")
    found = Tls(Path(certificate), Path(key), Path(authority) if authority else None)
    certificates.check(found.certificate, found.key, found.client_authority)
    return found
