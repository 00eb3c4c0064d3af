from __future__ import annotations

import gzip
import sys
from typing import TYPE_CHECKING

import pytest

from otel_dspy.reporting.files.request_files import FileRequest, RequestFileError, requests_in_file

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from pathlib import Path

BODIES = [b'{"resourceSpans":[]}', b'{"resourceSpans":[{}]}']
LINES = b"".join(body + b"\n" for body in BODIES)


def message(data: bytes) -> bytes:
    """Make a message: its length, then the data."""
    return len(data).to_bytes(4, "big") + data


MESSAGES = b"".join(message(zstd.compress(body)) for body in BODIES)


@pytest.mark.parametrize(
    "content",
    [LINES, gzip.compress(LINES), zstd.compress(LINES), zstd.compress(BODIES[0] + b"\n") + zstd.compress(LINES[21:])],
    ids=["plain", "gzip", "zstd", "zstd in frames"],
)
def test_lines(content: bytes, tmp_path: Path) -> None:
    """Whatever the file is named, its content decides how it is read."""
    file = tmp_path / "traces.json"
    file.write_bytes(content)
    assert list(requests_in_file(file)) == [
        FileRequest(number, body + b"\n", whole=True) for number, body in enumerate(BODIES, 1)
    ]


@pytest.mark.parametrize(
    "content",
    [MESSAGES, gzip.compress(MESSAGES), b"".join(map(message, BODIES))],
    ids=["zstd", "gzip of zstd", "not compressed"],
)
def test_messages(content: bytes, tmp_path: Path) -> None:
    """Each after its length."""
    file = tmp_path / "traces.json"
    file.write_bytes(content)
    assert list(requests_in_file(file)) == [
        FileRequest(number, body, whole=True) for number, body in enumerate(BODIES, 1)
    ]


@pytest.mark.parametrize("cut", [1, 5, 40])
def test_a_message_that_is_being_written_is_left_out(cut: int, tmp_path: Path) -> None:
    """The others are read; of a file without a whole message the reason is known."""
    file = tmp_path / "traces.json"
    first = message(zstd.compress(BODIES[0]))
    file.write_bytes(MESSAGES[: len(first) + min(cut, len(MESSAGES) - len(first) - 1)])
    assert [request.body for request in requests_in_file(file)] == BODIES[:1]
    file.write_bytes(first[:-3])
    with pytest.raises(RequestFileError, match=r"^its first message is incomplete$"):
        list(requests_in_file(file))


@pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
def test_a_compressed_file_without_its_end_has_what_precedes(pack: type[gzip.GzipFile], tmp_path: Path) -> None:
    """A last line that is cut off is left out, as in a file without compression."""
    file = tmp_path / "traces.json"
    packed = [gzip.compress(line) if pack is gzip.compress else zstd.compress(line) for line in (LINES, LINES)]
    file.write_bytes(packed[0] + packed[1][:-9])
    assert [request.body for request in requests_in_file(file)][:2] == [body + b"\n" for body in BODIES]


def test_damaged_content(tmp_path: Path) -> None:
    """A message that cannot be decompressed stays one request that is no JSON; a damaged stream has a reason."""
    file = tmp_path / "traces.json"
    damaged = bytearray(zstd.compress(BODIES[0]))
    damaged[5] ^= 0xFF
    file.write_bytes(message(bytes(damaged)) + MESSAGES)
    assert [request.body for request in requests_in_file(file)] == [bytes(damaged), *BODIES]
    stream = bytearray(gzip.compress(LINES))
    stream[-6] ^= 0xFF  # of the checksum
    file.write_bytes(bytes(stream))
    with pytest.raises(RequestFileError, match=r"^it is damaged: "):
        list(requests_in_file(file))


def test_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protobuf is refused with the setting to change; zstd without its package with the command to install it."""
    file = tmp_path / "traces.json"
    file.write_bytes(message(b"\n\x02\n\x00"))
    with pytest.raises(RequestFileError, match=r"set `format: json` for the Collector's file exporter$"):
        list(requests_in_file(file))
    file.write_bytes(MESSAGES)
    monkeypatch.setitem(sys.modules, zstd.__name__, None)
    monkeypatch.delattr(sys.modules[zstd.__name__.rpartition(".")[0]], "zstd")
    with pytest.raises(RequestFileError, match=r"needs a package: pip install 'otel-dspy\[report\]'$"):
        list(requests_in_file(file))
