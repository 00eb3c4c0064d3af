"""A small request cannot become a large one."""

from __future__ import annotations

import gzip
import zlib

import pytest

from otel_dspy.bridge.decompression import UnreadableError, decompressed
from otel_dspy.otlp_requests.protobuf_spans import TooLargeError
from tests.support.traced_memory import peak_memory


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        pytest.param(b"text", "", id="none"),
        pytest.param(b"text", "identity", id="identity"),
        pytest.param(gzip.compress(b"text"), "gzip", id="gzip"),
        pytest.param(gzip.compress(b"te") + gzip.compress(b"xt"), "GZIP", id="two members"),
        pytest.param(zlib.compress(b"text"), "deflate", id="deflate"),
    ],
)
def test_each_encoding_is_undone(body: bytes, encoding: str) -> None:
    """What comes out is what went in, at exactly the limit."""
    assert decompressed(body, encoding, 4) == b"text"
    with pytest.raises(TooLargeError):
        decompressed(body, encoding, 3)


def test_a_bomb_is_stopped_before_it_goes_off() -> None:
    """100 MiB of zeros in 100 KiB are refused without being made."""
    bomb = gzip.compress(bytes(100 * 2**20))

    def refused() -> None:
        with pytest.raises(TooLargeError):
            decompressed(bomb, "gzip", 2**20)

    assert peak_memory(refused) < 5 * 2**20


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        pytest.param(b"text", "gzip", id="no gzip"),
        pytest.param(gzip.compress(b"text")[:-9], "gzip", id="half a gzip"),
        pytest.param(b"text", "br", id="unknown"),
    ],
)
def test_a_body_with_the_wrong_content_encoding_is_rejected(body: bytes, encoding: str) -> None:
    """No gzip, half a gzip, an unknown encoding."""
    with pytest.raises(UnreadableError):
        decompressed(body, encoding, 100)
