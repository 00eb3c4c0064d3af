"""Parameters of DSPy's fine-tuning optimizers, which it stores by language model, as given by the user."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping


def finetune_parameters(parameters: Mapping[str, object]) -> dict[str, object]:
    """Return the parameters with `train_kwargs` and `adapter` as given by the user.

    DSPy stores a single setting for all language models as the default of an empty mapping (`convert_to_lm_dict`), and
    settings by language model unchanged.
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
