"""Addresses in environment variables: their text in messages, and findings on values that are not addresses."""

from __future__ import annotations

from otel_dspy.diagnosis.finding import Finding, Level
from otel_dspy.mlflow.tracking_uri import address_without_passwords


def no_address(subject: str, variable: str, address: str, wrong: str) -> Finding:
    """Return a finding for an invalid address.

    Args:
        subject: subject of the finding.
        variable: environment variable of the address.
        address: the address, which may contain a password.
        wrong: result of `uri_error` for it.
    """
    shown = shown_address(address)
    return Finding(subject, Level.PROBLEM, f"{variable}={shown} is not a valid address: {wrong}. Use http://HOST:PORT")


def shown_address(address: str) -> str:
    """Return an address without passwords, also where it has no scheme."""
    scheme = "" if "//" in address else "none://"
    return address_without_passwords(f"{scheme}{address}").removeprefix(scheme)
