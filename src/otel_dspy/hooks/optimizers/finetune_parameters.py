"""Parameters of DSPy's fine-tuning optimizers, which it stores by language model, as given by the user."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def finetune_parameters(parameters: Mapping[str, object]) -> dict[str, object]:
    """Return the parameters with `train_kwargs` and `adapter` as given by the user.

    DSPy stores a single setting for all language models as the default of an empty mapping (`convert_to_lm_dict`), and
    settings by language model unchanged. The latter are named after their model; of several models with one name, the
    second is `name (2)`.
    """
    return {name: _given(value) for name, value in parameters.items()}


def _given(value: object) -> object:
    if isinstance(value, defaultdict):
        make = cast("defaultdict[object, object]", value).default_factory
        return None if make is None else make()
    if isinstance(value, dict):
        held = cast("dict[Any, object]", value)
        return dict(zip(_distinct([getattr(key, "model", key) for key in held]), held.values(), strict=True))
    return value


def _distinct(names: Sequence[object]) -> list[object]:
    earlier = [names[:position].count(name) for position, name in enumerate(names)]
    return [f"{name} ({count + 1})" if count else name for name, count in zip(names, earlier, strict=True)]
