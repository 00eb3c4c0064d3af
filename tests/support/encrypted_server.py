"""An HTTP server with TLS, or that asks for a password, whose every answer is an empty object."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.support.loopback_server import LoopbackHandler, serving

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.integration.bridge.certificates import Authority, Signed


@contextmanager
def answering(
    signed: Signed | None, authorization: str | None = None, *, clients_of: Authority | None = None
) -> Generator[int]:
    """Serve empty objects on a port, with TLS and to those with this header or certificate, where they are given."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if signed is not None:
        context.load_cert_chain(signed.certificate, signed.key)
    if clients_of is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients_of.certificate)

    class Handler(LoopbackHandler):
        def setup(self) -> None:
            if signed is not None:
                self.request = context.wrap_socket(self.request, server_side=True, do_handshake_on_connect=False)
            super().setup()

        def handle(self) -> None:
            try:
                super().handle()
            except OSError:
                self.close_connection = True  # the client does not trust the certificate

        def do_GET(self) -> None:
            allowed = authorization is None or self.headers.get("Authorization") == authorization
            self.read_body()
            self.answer(200 if allowed else 401, b"{}")

        do_POST = do_GET

    with serving(Handler) as port:
        yield port
