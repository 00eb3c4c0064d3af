"""Reader for files of OTLP JSON requests: the Collector's file exporter with and without compression, spool files.

The file exporter writes a request a line. With `compression: zstd` it writes messages instead, each compressed by
itself and preceded by its length in four bytes, most significant first; with the feature gate
`exporter.file.nativeCompression` it compresses the lines as one stream.
https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/v0.159.0/exporter/fileexporter#file-format
"""

from __future__ import annotations

import gzip
import sys
import zlib
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedReader
    from pathlib import Path

SUFFIXES: Final = tuple(f"{name}{packed}" for name in (".json", ".jsonl") for packed in ("", ".gz", ".zst"))
"""Endings of the names of such files."""
_GZIP: Final = b"\x1f\x8b"
_ZSTD: Final = b"\x28\xb5\x2f\xfd"
_LENGTH: Final = 4
"""Bytes of the length before a message."""


class RequestFileError(ValueError):
    """The file cannot be read as OTLP JSON; the message is the reason and what to do."""


class FileRequest(NamedTuple):
    """A request in a file.

    Attributes:
        number: its line or message, from 1.
        body: its JSON; what cannot be decompressed is as in the file.
        whole: false for a last line without its end, which may be being written.
    """

    number: int
    body: bytes
    whole: bool


def files_at(path: Path) -> list[Path]:
    """Return the files of a folder whose names have one of `SUFFIXES`, by name; or the path, if it is not a folder.

    Raises:
        OSError: The folder cannot be read.
    """
    if not path.is_dir():
        return [path]
    return sorted(one for one in path.iterdir() if one.name.endswith(SUFFIXES))


def requests_in_file(path: Path) -> Iterator[FileRequest]:
    """Yield the requests of a file: lines or messages, in gzip or zstd or neither. An incomplete end is left out.

    Raises:
        RequestFileError: The file is not OTLP JSON, is damaged, or its decompression needs a package.
        OSError: The file cannot be read.
    """
    with ExitStack() as opened:
        try:
            file: BufferedReader = opened.enter_context(path.open("rb"))
            while True:
                head = file.peek(_LENGTH + len(_ZSTD))
                if head.startswith(_GZIP):
                    file = cast("BufferedReader", opened.enter_context(gzip.open(file)))
                elif head.startswith(_ZSTD):
                    file = opened.enter_context(_zstd().open(file))
                else:
                    break
            if head.startswith(b"\0") or head[_LENGTH:].startswith(_ZSTD):
                yield from _messages(file)
            else:
                for number, line in enumerate(file, 1):
                    yield FileRequest(number, line, line.endswith(b"\n"))
        except EOFError:
            return  # a compressed file that is being written, or whose writer was killed
        except (zlib.error, gzip.BadGzipFile) as error:
            raise RequestFileError(f"it is damaged: {error}") from error
        except Exception as error:
            if _is_zstd_error(error):
                raise RequestFileError(f"it is damaged: {error}") from error
            raise


def _messages(file: BufferedReader) -> Iterator[FileRequest]:
    number = 0
    while len(length := file.read(_LENGTH)) == _LENGTH:
        number += 1
        size = int.from_bytes(length, "big")
        data = file.read(size)
        if len(data) < size:
            if number == 1:
                raise RequestFileError("its first message is incomplete")
            return
        body = _decompressed(data)
        if body.startswith(b"\n"):  # the first field of a request in protobuf
            raise RequestFileError("it contains protobuf: set `format: json` for the Collector's file exporter")
        yield FileRequest(number, body, whole=True)


def _decompressed(data: bytes) -> bytes:
    if not data.startswith(_ZSTD):
        return data
    try:
        return cast("bytes", _zstd().decompress(data))
    except Exception as error:
        if _is_zstd_error(error):
            return data  # no JSON: reported with its number by the parser
        raise


def _zstd() -> Any:  # noqa: ANN401 - a module with one interface under two names
    """Return the module that decompresses zstd: Python's own from 3.14, its backport before.

    Raises:
        RequestFileError: It is not installed.
    """
    try:
        if sys.version_info >= (3, 14):
            from compression import zstd  # noqa: PLC0415 - optional
        else:
            from backports import zstd  # noqa: PLC0415 - optional
    except ImportError as error:
        raise RequestFileError(
            "it is compressed with zstd, which needs a package: pip install 'otel-dspy[report]'"
        ) from error
    return zstd


def _is_zstd_error(error: Exception) -> bool:
    return type(error).__name__ == "ZstdError"
