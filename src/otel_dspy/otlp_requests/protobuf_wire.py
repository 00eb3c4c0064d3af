"""Protobuf wire format reader that does not create messages.

An empty message takes 2 bytes in a body, and hundreds in memory.
"""

from __future__ import annotations

import codecs
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.descriptor import Descriptor

SPANS: Final = (1, 2, 2)
"""Field numbers of the path to the spans of a request: resources, scopes, spans."""
_VARINT, _FIXED64, _DELIMITED, _FIXED32 = 0, 1, 2, 5
_LONGEST: Final = 10
"""Maximum length of a varint in bytes."""
DEEPEST: Final = 100
"""Maximum nesting of messages, as in protobuf."""


def fields(body: bytes | bytearray, start: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and end of each length-delimited field of a message: texts, bytes and messages.

    Stops at invalid data without an error: parsing the message raises it.

    Args:
        body: the request.
        start: index of the message's first byte.
        end: index after its last byte.
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
                # Of a group only the start and end tags are skipped, so that fields inside are counted.
                at += {_FIXED64: 8, _FIXED32: 4}.get(kind, 0)
    except IndexError:
        return


def parts(body: bytes | bytearray, start: int, end: int, path: tuple[int, ...] = SPANS) -> Iterator[tuple[int, int]]:
    """Yield start and end of each message on `path`, parents first.

    Args:
        body: the request.
        start: index of the first byte of the enclosing message.
        end: index after its last byte.
        path: field numbers from the enclosing message down to the messages wanted.
    """
    for number, begin, stop in fields(body, start, end):
        if number == path[0]:
            yield begin, stop
            if path[1:]:
                yield from parts(body, begin, stop, path[1:])


def with_texts_in_utf8(body: bytes, message: Descriptor) -> bytes:
    """Replace each invalid UTF-8 byte in the texts of a message with a question mark, so that no length changes.

    Args:
        body: the encoded message.
        message: descriptor of the message type.
    """
    replaced = bytearray(body)
    _replace_invalid(replaced, 0, len(body), message, DEEPEST)
    return bytes(replaced)


def _replace_invalid(body: bytearray, start: int, end: int, message: Descriptor, depth: int) -> None:
    known = message.fields_by_number
    for number, begin, stop in fields(body, start, end):
        field = known.get(number)
        if field is None or depth == 0:
            continue
        if field.type == field.TYPE_STRING:
            body[begin:stop] = body[begin:stop].decode("utf-8", _QUESTION_MARKS).encode()
        elif field.message_type is not None:
            _replace_invalid(body, begin, stop, field.message_type, depth - 1)


def _question_marks(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "?" * (error.end - error.start), error.end


_QUESTION_MARKS: Final = "otel_dspy.question_marks"
codecs.register_error(_QUESTION_MARKS, _question_marks)


def _number(body: bytes | bytearray, at: int) -> tuple[int, int]:
    byte = body[at]
    if byte < 0x80:  # noqa: PLR2004 - the continuation bit; most varints have one byte
        return byte, at + 1
    value = 0
    for place in range(_LONGEST):
        byte = body[at + place]
        value |= (byte & 0x7F) << 7 * place
        if byte < 0x80:  # noqa: PLR2004 - as above
            return value, at + place + 1
    raise IndexError("a varint is too long")
