"""Settings that DSPy's fine-tuning optimizers hold by language model, as the user gave them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping


def settings_by_lm(parameters: Mapping[str, object]) -> dict[str, object]:
    """The parameters, with `train_kwargs` and `adapter` as the user gave them.

    DSPy holds one setting for all language models as the default of an empty mapping (`convert_to_lm_dict`), settings
    by language model as they are.
    """
    return {name: _given(value) for name, value in parameters.items()}


def _given(value: object) -> object:
    if isinstance(value, defaultdict):
        make = cast("defaultdict[object, object]", value).default_factory
        return None if make is None else make()
    if isinstance(value, dict):
        held = cast("dict[Any, object]", value)
        return {getattr(key, "model", key): held[key] for key in held}
    return value
