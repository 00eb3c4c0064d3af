"""TLS with a server certificate, and with required client certificates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import grpc
import pytest
import requests
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from otel_dspy.bridge.configuration.listen_addresses import Tls
from otel_dspy.bridge.servers.grpc_server import SERVICE
from tests.integration.bridge.certificates import Authority
from tests.support.bridges import PATIENCE, running_bridge

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from otel_dspy.bridge.service import Bridge
    from tests.integration.bridge.certificates import Signed


def over_http(bridge: Bridge, authority: Path, client: Signed | None) -> int:
    """The status of an empty request."""
    shown = (str(client.certificate), str(client.key)) if client else None
    address = f"https://127.0.0.1:{bridge.http_port}/v1/traces"
    return requests.post(address, json={}, verify=str(authority), cert=shown, timeout=PATIENCE).status_code


def over_grpc(bridge: Bridge, authority: Path, client: Signed | None) -> object:
    """What an empty request is answered."""
    untyped = cast("Any", grpc)
    credentials = untyped.ssl_channel_credentials(
        authority.read_bytes(),
        client.key.read_bytes() if client else None,
        client.certificate.read_bytes() if client else None,
    )
    with untyped.secure_channel(f"127.0.0.1:{bridge.grpc_port}", credentials) as channel:
        export = channel.unary_unary(f"/{SERVICE}/Export", response_deserializer=ExportTraceServiceResponse.FromString)
        return export(b"", timeout=PATIENCE)


def test_the_bridges_own_certificate(new_store: Callable[[str], str], tmp_path: Path) -> None:
    """Who trusts its authority reaches it over both protocols; who speaks plain text does not."""
    authority = Authority(tmp_path, "authority")
    own = authority.sign("bridge")
    with running_bridge(new_store("m"), "E", tls=Tls(own.certificate, own.key)) as bridge:
        assert over_http(bridge, authority.certificate, None) == 200
        assert over_grpc(bridge, authority.certificate, None) == ExportTraceServiceResponse()
        with pytest.raises(requests.ConnectionError):
            requests.get(f"http://127.0.0.1:{bridge.http_port}/healthz", timeout=PATIENCE)


def test_clients_that_must_show_a_certificate(new_store: Callable[[str], str], tmp_path: Path) -> None:
    """One of the right authority is let in; none, and one of another authority, is not."""
    authority, other = Authority(tmp_path, "authority"), Authority(tmp_path, "other")
    own, friend, stranger = authority.sign("bridge"), authority.sign("friend"), other.sign("stranger")
    tls = Tls(own.certificate, own.key, authority.certificate)
    with running_bridge(new_store("m"), "E", tls=tls) as bridge:
        assert over_http(bridge, authority.certificate, friend) == 200
        assert over_grpc(bridge, authority.certificate, friend) == ExportTraceServiceResponse()
        for client in (None, stranger):
            with pytest.raises(requests.ConnectionError):
                over_http(bridge, authority.certificate, client)
            with pytest.raises(cast("type[Exception]", cast("Any", grpc).RpcError)):
                over_grpc(bridge, authority.certificate, client)
