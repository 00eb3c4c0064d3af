"""Access control of the bridge: bearer tokens and loopback addresses."""

from __future__ import annotations

import hmac
import ipaddress


def is_loopback(host: str) -> bool:
    """Return whether `host` is reachable from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_allowed(token: str | None, authorization: str | None) -> bool:
    """Return whether an `Authorization` header holds the token; every request is allowed if no token is set."""
    if token is None:
        return True
    scheme, _, given = (authorization or "").partition(" ")
    # Constant-time comparison, against timing attacks.
    right = hmac.compare_digest(given.strip().encode(errors="replace"), token.encode())
    return right and scheme.lower() == "bearer"
