"""Embedding model over HTTP: a server that speaks OpenAI's embeddings API."""

from __future__ import annotations

import json
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

from tests.support.loopback_server import serving

if TYPE_CHECKING:
    from collections.abc import Generator

TOKENS = 50
"""Input tokens that the server reports for a request."""


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        asked: Any = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
        answer = {
            "object": "list",
            "model": asked["model"],
            "data": [{"object": "embedding", "index": index, "embedding": [1.0, 2.0]} for index in range(len(texts))],
            "usage": {"prompt_tokens": TOKENS, "total_tokens": TOKENS},
        }
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Print nothing."""


@contextmanager
def embeddings_server() -> Generator[str]:
    """Run the server; yield its `api_base`."""
    with serving(_Handler) as port:
        yield f"http://127.0.0.1:{port}/v1"
