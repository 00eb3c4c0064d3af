"""How a bridge starts."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from otel_dspy.bridge.configuration.listen_addresses import Address
from otel_dspy.bridge.configuration.settings import BridgeSettings
from otel_dspy.bridge.servers.grpc_server import GrpcFront
from otel_dspy.bridge.service import Bridge
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from pathlib import Path


def test_servers_that_do_not_come_up_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not report addresses that it does not listen on."""

    async def never(_self: GrpcFront) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(GrpcFront, "start", never)
    settings = BridgeSettings(tracking_uri=blank_store(tmp_path), http=None, grpc=Address("127.0.0.1", 0))
    with pytest.raises(OSError, match="servers did not start"):
        Bridge(settings, patience=0.2).start()
