"""Attributes as JSON texts, which MLflow's store on a database need not decode.

MLflow decodes each attribute of each span that it stores, and its result once more if it is a text, to find attributes
that were encoded twice.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import wrapt

if TYPE_CHECKING:
    from collections.abc import Callable

TRANSLATION: Final = "mlflow.tracing.otel.translation"
"""Imported by MLflow's store on a database, not by its client of a server."""
_SANITIZE: Final = "sanitize_attributes"


class EncodedAttributes(dict[str, str]):
    """Attributes as JSON texts, none of which is the JSON text of a JSON text, object or array."""


_EVERY_KIND: Final = EncodedAttributes(
    {"text": '"a"', "empty": '""', "integer": "1", "real": "0.5", "true": "true", "nothing": "null"}
    | {"object": '{"a": "[1]"}', "array": '["a", "1"]', "number": '"1"', "broken": '"a [1]"'}
)


def may_be_encoded_twice(value: str) -> bool:
    """Return whether MLflow may take the JSON text of a value for one that was encoded twice."""
    return value.lstrip().startswith(('"', "{", "["))


def install() -> None:
    """Let MLflow take attributes of the class `EncodedAttributes` as they are, if it would not change them."""
    module = sys.modules.get(TRANSLATION)
    sanitize: Any = getattr(module, _SANITIZE, None)
    # If it is missing, or changes such attributes, MLflow decodes them in its own way.
    if sanitize is not None and not isinstance(sanitize, wrapt.FunctionWrapper) and _keeps_all(sanitize):
        setattr(module, _SANITIZE, wrapt.FunctionWrapper(sanitize, _sanitize))


def _keeps_all(sanitize: Callable[..., Any]) -> bool:
    # As text, which has the order of the names.
    return repr(sanitize(dict(_EVERY_KIND))) == repr(dict(_EVERY_KIND))


def _sanitize(wrapped: Callable[..., Any], _instance: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401 - passes on what MLflow gives
    if len(args) == 1 and not kwargs and type(args[0]) is EncodedAttributes:
        return dict(args[0])
    return wrapped(*args, **kwargs)
