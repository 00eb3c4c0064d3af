"""Whether a set of attributes is what the contract allows on a signal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.semconv.attributes import error_attributes, server_attributes

from tools.semconv_parser import Span

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from opentelemetry.util.types import AttributeValue

    from tools.semconv_parser import Attribute, Contract, Signal

_PYTHON_TYPES: Final[Mapping[str, type]] = {"string": str, "int": int, "double": float, "boolean": bool}
STANDARD_NAMES: Final = frozenset(
    value
    for module in (gen_ai_attributes, error_attributes, server_attributes)
    for key, value in vars(module).items()
    if key.isupper() and isinstance(value, str)
) | {
    # Newer than the package of names.
    "gen_ai.retrieval.top_k",
    "gen_ai.request.reasoning.level",
    "gen_ai.prompt.version",
    "gen_ai.usage.cache_write.input_tokens",
    *(
        f"gen_ai.usage.{modality}.{way}_tokens"
        for modality in ("text", "image", "audio")
        for way in ("input", "output")
    ),
}
"""What `opentelemetry-util-genai` may set on the spans that it emits."""
STANDARD_CONTENT: Final = frozenset(
    {
        gen_ai_attributes.GEN_AI_INPUT_MESSAGES,
        gen_ai_attributes.GEN_AI_OUTPUT_MESSAGES,
        gen_ai_attributes.GEN_AI_SYSTEM_INSTRUCTIONS,
        gen_ai_attributes.GEN_AI_TOOL_CALL_ARGUMENTS,
        gen_ai_attributes.GEN_AI_TOOL_CALL_RESULT,
        gen_ai_attributes.GEN_AI_TOOL_DEFINITIONS,
        gen_ai_attributes.GEN_AI_RETRIEVAL_QUERY_TEXT,
        gen_ai_attributes.GEN_AI_RETRIEVAL_DOCUMENTS,
    }
)
"""Those of the standard's names whose values are texts of people and models."""


def attribute_violations(
    contract: Contract,
    signal: Signal,
    attributes: Mapping[str, AttributeValue],
    opted_in: Collection[str],
    *,
    standard_names: bool = False,
) -> Iterator[str]:
    """Return the violations in `attributes` of a `signal`, one text each, without the signal's name.

    Args:
        contract: what is declared.
        signal: the span, metric or event that carries them.
        attributes: name -> value, as emitted.
        opted_in: the content settings (content, programs, datasets) that were on, and the extra conventions.
        standard_names: whether the names that OpenTelemetry declares for GenAI spans may stand beside ours.
    """
    allowed = _names(signal)
    for name, value in attributes.items():
        attribute = contract.attribute(name)
        if attribute is None:
            if name.startswith("dspy."):
                yield f"{name} is declared nowhere"
            elif name not in allowed and not (standard_names and name in STANDARD_NAMES):
                yield f"{name} is not a name that may stand here"
            elif name in STANDARD_CONTENT and "content" not in opted_in:
                yield f"{name} went out though content capture is off"
            continue
        yield from _place_violations(attribute, name, signal, opted_in, allowed)
        if attribute.content is not None and attribute.content not in opted_in:
            yield f"{name} went out though {attribute.content} capture is off"
        yield from _value_violations(attribute, name, value)
    for name in _required(signal):
        if name not in attributes:
            yield f"{name} is required and absent"


_of_signals: Final[dict[int, tuple[Signal, Collection[str], Sequence[str]]]] = {}
"""By identity: the signal itself, the names of its attributes, and those that are required."""


def _declared(signal: Signal) -> tuple[Signal, Collection[str], Sequence[str]]:
    if id(signal) not in _of_signals:
        names = {ref.id for ref in signal.attributes}
        required = [ref.id for ref in signal.attributes if ref.level == "required"]
        _of_signals[id(signal)] = signal, names, required
    return _of_signals[id(signal)]


def _names(signal: Signal) -> Collection[str]:
    return _declared(signal)[1]


def _required(signal: Signal) -> Sequence[str]:
    return _declared(signal)[2]


def _place_violations(
    attribute: Attribute, name: str, signal: Signal, opted_in: Collection[str], allowed: Collection[str]
) -> Iterator[str]:
    if attribute.convention is not None and attribute.convention not in opted_in:
        yield f"{name} went out though nobody asked for {attribute.convention}"
    anywhere = attribute.convention is not None and isinstance(signal, Span)
    if not anywhere and attribute.id not in allowed:
        yield f"{name} does not belong here"


def _value_violations(attribute: Attribute, name: str, value: AttributeValue) -> Iterator[str]:
    if not _fits(attribute.type, value):
        yield f"{name} is a {type(value).__name__}, not {attribute.type}"
    elif attribute.members and value not in attribute.members:
        yield f"{name} is {value!r}, not one of {', '.join(attribute.members)}"


def _fits(declared: str, value: AttributeValue) -> bool:
    if declared == "any":
        return True
    if declared.endswith("[]"):
        element = declared.removesuffix("[]")
        return (
            isinstance(value, Sequence)
            and not isinstance(value, str | bytes)
            and all(_fits(element, item) for item in value)
        )
    # `type(…) is` because a bool is an int to isinstance, and the two are different types on the wire.
    return type(value) is _PYTHON_TYPES[declared] or (declared == "string" and isinstance(value, str))
