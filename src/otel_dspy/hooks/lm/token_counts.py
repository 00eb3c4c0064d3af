"""Token counts of a call, read from the usage that a provider reports."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_dspy.hooks.lm.field_reader import field_reader
from otel_dspy.runtime.named_tuples import create
from otel_dspy.telemetry.parameter_attributes import LARGEST_INT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.hooks.lm.field_reader import FieldReader

NO_TOKENS: Final[Mapping[str, int]] = MappingProxyType({})
_INPUT_TOKENS: Final = {
    "cache_creation_tokens": "cache_write_input_tokens",
    "text_tokens": "text_input_tokens",
    "image_tokens": "image_input_tokens",
    "audio_tokens": "audio_input_tokens",
}
_OUTPUT_TOKENS: Final = {
    "text_tokens": "text_output_tokens",
    "image_tokens": "image_output_tokens",
    "audio_tokens": "audio_output_tokens",
}
"""Field of the details -> name in opentelemetry-util-genai."""


class TokenCounts(NamedTuple):
    """Tokens of a call as reported by the provider."""

    input_tokens: int
    output_tokens: int


def token_counts(usage: FieldReader) -> TokenCounts | None:
    """Return the input and output tokens of a usage; None if it has neither."""
    given = token_count(usage("prompt_tokens"))
    if given is None:
        given = token_count(usage("input_tokens"))
    got = token_count(usage("completion_tokens"))
    if got is None:
        got = token_count(usage("output_tokens"))
    return None if given is None and got is None else create(TokenCounts, (given or 0, got or 0))


def token_count(value: object) -> int | None:
    """Return a count of tokens; None if the value is none, or larger than an attribute of a span can be."""
    if value is None:
        return None
    if type(value) is int:
        return value if 0 <= value <= LARGEST_INT else None
    # A count read from JSON may be a float; `bool` is a subclass of `int`.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= LARGEST_INT else None


def cached_token_count(inputs: FieldReader) -> int | None:
    """Return the input tokens that the provider read from its cache; None if unknown.

    Args:
        inputs: reads the details of the input tokens.
    """
    return token_count(inputs("cached_tokens"))


def reasoning_token_count(outputs: FieldReader) -> int | None:
    """Return the output tokens of the model's reasoning; None if unknown.

    Args:
        outputs: reads the details of the output tokens.
    """
    return token_count(outputs("reasoning_tokens"))


def more_token_counts(usage: FieldReader, given: Any, got: Any) -> Mapping[str, int]:
    """Return the counts of `LMCallRecord.more_tokens`.

    Args:
        usage: reads the usage.
        given: details of its input tokens.
        got: details of its output tokens.
    """
    found: dict[str, int] = {}
    # LiteLLM reports Anthropic's count at the top level, DSPy's own engine in the details.
    written = token_count(usage("cache_creation_input_tokens"))
    if written is not None:
        found["cache_write_input_tokens"] = written
    for details, names in ((given, _INPUT_TOKENS), (got, _OUTPUT_TOKENS)):
        if details is None or (type(details) is dict and names.keys().isdisjoint(details)):  # pyright: ignore[reportUnknownArgumentType] - `cast` is a function call
            continue  # most details
        read = field_reader(details)
        for name, counted in names.items():
            value = read(name)
            if value is not None and counted not in found and (count := token_count(value)) is not None:
                found[counted] = count
    return found or NO_TOKENS
