"""Joins the pieces of large JSON texts and sets them as the attributes of their spans."""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import zlib
from collections import OrderedDict
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, cast

from otel_dspy.span_format import PAYLOAD_ENCODING

if TYPE_CHECKING:
    from otel_dspy.mlflow.records.span import AttributeValue, SpanRecord
    from otel_dspy.mlflow.records.span_records import PayloadPiece

_logger = logging.getLogger(__name__)

MAX_WAITING = 64 * 1024 * 1024
"""Maximum characters of pieces whose span has not been received; beyond it the oldest are discarded."""
PIECE_OVERHEAD: Final = 512
"""Characters that a piece counts for in addition to its texts."""
MAX_TEXT: Final = 1024 * 1024 * 1024
"""Maximum bytes of a text: some hundred kilobytes of pieces could decompress to gigabytes. Texts of this process, and
its spooled ones, have already fit in its memory.
"""
MAX_FOREIGN_TEXT: Final = 64 * 1024 * 1024
"""Maximum bytes of a text from an untrusted sender."""

_REFERENCE: Final = '{"$payload"'
"""Start of the text in place of a payload."""
_GZIP: Final = 16 + zlib.MAX_WBITS


class PayloadShelf:
    """Holds pieces until their span is received.

    Pieces are stored by the span that owns them, not by digest: two spans may send the same text, and the first to end
    must not remove the other's pieces.
    """

    def __init__(self, max_waiting: int = MAX_WAITING, max_text: int = MAX_TEXT) -> None:
        self._pieces: OrderedDict[tuple[str, str, str], dict[int, PayloadPiece]] = OrderedDict()
        self._waiting = 0
        self._max_waiting = max_waiting
        self._max_text = max_text

    def add(self, piece: PayloadPiece) -> None:
        """Store a piece until its span is received. A duplicate piece counts once."""
        owner = (piece.span.trace_id, piece.owner_id, piece.attribute)
        pieces = self._pieces.setdefault(owner, {})
        if piece.index not in pieces:
            pieces[piece.index] = piece
            self._waiting += _size(piece)
        while self._waiting > self._bound:
            given_up, _ = next(iter(self._pieces.items()))
            self._take(given_up)
            _logger.warning(
                "Too many payload pieces are queued for their spans; %s of span %s is dropped", given_up[2], given_up[1]
            )

    @property
    def _bound(self) -> int:
        """Maximum characters for one span: those of a text of maximum size, badly compressed and in base64."""
        return self._max_waiting if len(self._pieces) > 1 else max(self._max_waiting, 2 * self._max_text)

    def resolve(self, span: SpanRecord) -> SpanRecord:
        """Return the span with its payloads in place; an incomplete one is omitted and logged."""
        references = {
            name: found
            for name, value in span.attributes.items()
            if isinstance(value, str) and value.startswith(_REFERENCE) and (found := _reference(value))
        }
        if not references:
            return span
        attributes: dict[str, AttributeValue] = dict(span.attributes)
        for name, digest in references.items():
            pieces = self._take((span.trace_id, span.span_id, name))
            try:
                attributes[name] = _join(pieces, digest, self._max_text)
            except (ValueError, zlib.error) as error:
                del attributes[name]
                _logger.warning("%s of span %s is dropped: %s", name, span.name, error)
        return replace(span, attributes=attributes)

    def lacks(self, span: SpanRecord) -> list[str]:
        """Return the attributes of the span whose pieces have not all been received."""
        lacking: list[str] = []
        for name, value in span.attributes.items():
            if _reference(value):
                pieces = self._pieces.get((span.trace_id, span.span_id, name), {})
                if not _whole(pieces):
                    lacking.append(name)
        return lacking

    def _take(self, owner: tuple[str, str, str]) -> dict[int, PayloadPiece]:
        pieces = self._pieces.pop(owner, {})
        self._waiting -= sum(_size(piece) for piece in pieces.values())
        return pieces


def _reference(value: AttributeValue) -> str | None:
    """Return the digest if the attribute's text is a reference and not the payload itself."""
    # A reference has some 100 characters; a real text with the same beginning is longer or has other keys.
    if not isinstance(value, str) or not value.startswith(_REFERENCE) or len(value) > 200:  # noqa: PLR2004 - above
        return None
    try:
        found: Any = json.loads(value)
    except ValueError:
        return None
    if not isinstance(found, dict):
        return None
    digest = cast("dict[str, object]", found).get("$payload")
    return digest if isinstance(digest, str) else None


def _size(piece: PayloadPiece) -> int:
    """Return the characters of the piece's texts, plus about as many for their containers."""
    texts = sum(len(value) for value in piece.span.attributes.values() if isinstance(value, str))
    return PIECE_OVERHEAD + max(len(piece.data), texts)  # its data is one of them


def _whole(pieces: dict[int, PayloadPiece]) -> bool:
    """Whether all pieces were received, by the count in the first one, which is untrusted."""
    if not pieces:
        return False
    count = next(iter(pieces.values())).count
    return len(pieces) == count and all(index in pieces for index in range(count))


def _join(pieces: dict[int, PayloadPiece], digest: str, limit: int) -> str:
    """Return the text, of at most `limit` bytes.

    Raises:
        ValueError: a piece is missing or of an unknown encoding, or the text is too large or has another digest.
        zlib.error: the pieces are not compressed.
    """
    if not pieces:
        message = "none of its pieces was received"
        raise ValueError(message)
    first = next(iter(pieces.values()))
    if not _whole(pieces):
        message = f"{len(pieces)} of its {first.count} pieces were received"
        raise ValueError(message)
    if first.encoding != PAYLOAD_ENCODING:
        message = f"unknown encoding {first.encoding!r}"
        raise ValueError(message)
    packed = "".join(pieces[index].data for index in range(first.count))
    text = zlib.decompressobj(_GZIP).decompress(base64.b64decode(packed, validate=True), limit + 1)
    if len(text) > limit:
        message = f"it has more than {limit} bytes, uncompressed"
        raise ValueError(message)
    if hashlib.sha256(text).hexdigest() != digest:
        message = "the digest of its pieces does not match"
        raise ValueError(message)
    return text.decode()
