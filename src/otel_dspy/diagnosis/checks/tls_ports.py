"""Detection of ports that use TLS; their certificates are not verified."""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from otel_dspy.diagnosis.checks.otlp_endpoints import OtlpEndpoint


def speaks_tls(endpoint: OtlpEndpoint, timeout: float) -> bool:
    """Return whether an endpoint's port answers a TLS handshake.

    Args:
        endpoint: the endpoint.
        timeout: seconds to wait for it.
    """
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent but the handshake
    context.set_alpn_protocols(["h2", "http/1.1"])
    try:
        with (
            socket.create_connection(endpoint.place, timeout) as connection,
            context.wrap_socket(connection, server_hostname=endpoint.host),
        ):
            return True
    except ssl.SSLError as error:
        return "ALERT" in (error.reason or "")  # it rejects this client, by TLS
    except (OSError, ValueError):
        return False
