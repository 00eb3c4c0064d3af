"""gRPC server on loopback that answers each method with the same status."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, cast

import grpc

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.integration.bridge.certificates import Authority, Signed

UNTYPED: Final = cast("Any", grpc)


@contextmanager
def receiver(
    signed: Signed | None = None,
    code: str = "OK",
    *,
    methods: list[str] | None = None,
    clients_of: Authority | None = None,
) -> Generator[int]:
    """A server that answers each method with this status; its port. `methods` gets their names and headers.

    With `clients_of`, it requires a client certificate of that authority.
    """

    class Methods(UNTYPED.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            if methods is not None:
                methods.append(details.method)
                methods.extend(value for key, value in details.invocation_metadata if key == "api-key")

            def answer(_request: bytes, context: Any) -> bytes:
                if code != "OK":
                    context.abort(UNTYPED.StatusCode[code], "for this reason")
                return b""

            return UNTYPED.unary_unary_rpc_method_handler(answer)

    with ThreadPoolExecutor(1) as threads:
        server = UNTYPED.server(threads, [Methods()])
        if signed is None:
            port = server.add_insecure_port("127.0.0.1:0")
        else:
            pair = signed.key.read_bytes(), signed.certificate.read_bytes()
            clients = None if clients_of is None else clients_of.certificate.read_bytes()
            credentials = UNTYPED.ssl_server_credentials([pair], clients, clients is not None)
            port = server.add_secure_port("127.0.0.1:0", credentials)
        server.start()
        try:
            yield port
        finally:
            server.stop(None).wait()
