"""Comparison of the fields of a recorded program with those of the user's program.

A recorded state has no names of fields, and DSPy assigns their descriptions and prefixes by position: those of another
signature would end up at other fields without an error.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.reporting.runs.summary_rows import mapping, mappings
from otel_dspy.rerun.errors import RerunError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_logger = logging.getLogger(__name__)

_OWN_NAME: Final = re.compile(r"\$\{(\w+)\}")
"""Description of a field that was given none: its name."""


def check_fields(state: Mapping[str, Any], predictors: Iterable[tuple[str, Any]], source: str) -> None:
    """Check that recorded fields have the names and the order of those of a program, as far as the record has them.

    A warning is logged for a predictor that has more or fewer fields than recorded, in the same order.

    Args:
        state: the recorded state, as `dspy.Module.save` writes it.
        predictors: the predictors of the program, by path.
        source: what the state is of, for messages.

    Raises:
        RerunError: A recorded field has the place of another one.
    """
    for path, predictor in predictors:
        recorded = mappings(mapping(_state_at(state, path).get("signature")).get("fields"))
        own: Mapping[str, Any] = getattr(getattr(predictor, "signature", None), "fields", {})
        if not recorded or not own:
            continue
        names = list(own)
        for place, (name, field) in enumerate(zip(names, recorded, strict=False)):
            other = _other_field(field, name, own)
            if other is not None:
                raise RerunError(
                    f"Field {place + 1} of the predictor {path} is {name}; in the program of {source} it is {other}. "
                    f"The given program has the fields {_listed(names)}. Pass a program that is built as the optimized "
                    "one was."
                )
        if len(names) != len(recorded):
            _logger.warning(
                "The predictor %s has %d fields (%s), that of %s has %d: instructions and demos are loaded all the "
                "same. Pass a program that is built as the optimized one was, unless you have changed it on purpose.",
                path,
                len(names),
                _listed(names),
                source,
                len(recorded),
            )


def _state_at(state: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Return the state of the predictor at a path; empty if there is none."""
    if path in state:
        return mapping(state[path])
    if path == "self":
        return dict(state)
    found: Any = state
    for name in path.split("."):
        found = mapping(mapping(found).get(name))
    return mapping(found)


def _other_field(recorded: Mapping[str, Any], name: str, own: Mapping[str, Any]) -> str | None:
    """Return the name of the recorded field if it is another one than that of the program at its place."""
    description = recorded.get("description")
    if [other for other, field in own.items() if _text(field, "desc") == description] == [name]:
        return None  # whatever its prefix is: COPRO writes another one
    described = _OWN_NAME.fullmatch(str(description))
    if described is not None:
        return described[1] if described[1] != name else None
    prefix = recorded.get("prefix")
    with_prefix = [other for other, field in own.items() if prefix is not None and _text(field, "prefix") == prefix]
    return with_prefix[0] if with_prefix and name not in with_prefix else None


def _text(field: Any, key: str) -> object:
    return mapping(getattr(field, "json_schema_extra", None)).get(key)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
