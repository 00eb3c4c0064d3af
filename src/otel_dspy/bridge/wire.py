"""Protobuf's wire format, read before messages are made of it.

An empty message takes two bytes of a body, and hundreds in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

SPANS: Final = (1, 2, 2)
"""Numbers of the fields on the way to the spans of a request: its resources, their scopes, their spans."""
_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5
_LONGEST: Final = 10
"""Bytes of a number."""


def fields(body: bytes | bytearray, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Number, beginning and end of each field of a message that has a length: texts, bytes and messages.

    It ends where nothing can be read: that is said by whoever makes a message of it.
    """
    at = start
    try:
        while at < end:
            key, at = _number(body, at)
            kind = key & 7
            if kind == _VARINT:
                _, at = _number(body, at)
            elif kind == _DELIMITED:
                length, at = _number(body, at)
                if at + length > end:
                    return
                yield key >> 3, at, at + length
                at += length
            else:
                # Of a group only the marks are left out, so that nothing hides in one.
                at += {_FIXED64: 8, _FIXED32: 4}.get(kind, 0)
    except IndexError:
        return


def parts(body: bytes | bytearray, start: int, end: int, path: tuple[int, ...] = SPANS) -> Iterator[tuple[int, int]]:
    """Beginning and end of each message on the way, those that hold others before them."""
    for number, begin, stop in fields(body, start, end):
        if number == path[0]:
            yield begin, stop
            if path[1:]:
                yield from parts(body, begin, stop, path[1:])


def _number(body: bytes | bytearray, at: int) -> tuple[int, int]:
    byte = body[at]
    if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follows; most have one byte
        return byte, at + 1
    value = 0
    for place in range(_LONGEST):
        byte = body[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:  # noqa: PLR2004 - as above
            return value, at + place + 1
    raise IndexError("a number is too long")
