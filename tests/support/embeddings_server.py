"""Embedding model over HTTP: a server that speaks OpenAI's embeddings API."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.support.loopback_server import LoopbackHandler, serving

if TYPE_CHECKING:
    from collections.abc import Generator

TOKENS = 50
"""Input tokens that the server reports for a request."""


class _Handler(LoopbackHandler):
    def do_POST(self) -> None:
        asked: Any = json.loads(self.read_body())
        texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
        answer = {
            "object": "list",
            "model": asked["model"],
            "data": [{"object": "embedding", "index": index, "embedding": [1.0, 2.0]} for index in range(len(texts))],
            "usage": {"prompt_tokens": TOKENS, "total_tokens": TOKENS},
        }
        self.answer(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})


@contextmanager
def embeddings_server() -> Generator[str]:
    """Run the server; yield its `api_base`."""
    with serving(_Handler) as port:
        yield f"http://127.0.0.1:{port}/v1"
