"""JSON texts of content, as opentelemetry-util-genai writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from opentelemetry.util.genai.utils import gen_ai_json_dumps

from otel_dspy.serialization.json_text import json_encoder

if TYPE_CHECKING:
    from opentelemetry.util.types import AnyValue

_encode: Final = json_encoder(
    gen_ai_json_dumps.keywords["cls"](separators=gen_ai_json_dumps.keywords["separators"], ensure_ascii=False)
)
"""Encoder with the settings of `gen_ai_json_dumps`, which creates a new encoder for each call."""


def plain_json(value: AnyValue) -> str:
    """Serialize plain data (see `plain`) as JSON text."""
    return _encode(value)
