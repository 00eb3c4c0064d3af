"""Who may send."""

from __future__ import annotations

import pytest

from otel_dspy.bridge.configuration.access_control import is_allowed, is_loopback


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True), ("127.8.8.8", True), ("localhost", True), ("::1", True), ("[::1]", True),
        ("192.168.1.1", False), ("::", False), ("example.org", False), ("", False),
    ],
)  # fmt: skip
def test_only_this_machine_is_loopback(host: str, *, expected: bool) -> None:
    """Names other than localhost are not asked for: they may be anything."""
    assert is_loopback(host) is expected


@pytest.mark.parametrize(
    ("token", "header", "expected"),
    [
        (None, None, True),
        ("geheim", "Bearer geheim", True),
        ("geheim", "bearer geheim", True),
        ("geheim", "Bearer geheim2", False),
        ("geheim", "Basic geheim", False),
        ("geheim", "geheim", False),
        ("geheim", "", False),
        ("geheim", None, False),
        ("geheim", "Bearer \ud800", False),
    ],
)
def test_a_token_opens(token: str | None, header: str | None, *, expected: bool) -> None:
    """The right one, as a bearer token, and no other."""
    assert is_allowed(token, header) is expected
