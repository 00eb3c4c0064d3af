"""Who may send: a bearer token, and the addresses that are safe without one."""

from __future__ import annotations

import hmac
import ipaddress


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_allowed(token: str | None, authorization: str | None) -> bool:
    """Whether an `Authorization` header has the token; any has, where there is no token."""
    if token is None:
        return True
    scheme, _, given = (authorization or "").partition(" ")
    # Compared in a time that does not tell how much of it was right.
    right = hmac.compare_digest(given.strip().encode(errors="replace"), token.encode())
    return right and scheme.lower() == "bearer"
