"""A program's state: dumped without secrets, and the identity that its content gives it."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from otel_dspy.serialization.plain_data import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

_ID_DIGITS: Final = 16


class Dumpable(Protocol):
    """What a `dspy.Module` is to this file."""

    def dump_state(self) -> dict[str, Any]:
        """The state of every predictor, by its path."""
        ...


@dataclass(frozen=True, slots=True)
class ProgramSnapshot:
    """A program at one moment.

    Attributes:
        id: the first 16 hex digits of the sha256 of the state's canonical JSON without `lm` and `metadata`.
        state: JSON text that `dspy.Module.load` reads from a .json file; every `lm` in it is null, because a saved
            LM keeps its headers and, in some versions of DSPy, its key. Of what is no `dspy.Module`, its texts by name.
    """

    id: str
    state: str


def snapshot(program: object) -> ProgramSnapshot:
    """Dump a `dspy.Module`.

    Raises:
        Exception: whatever a user's own `dump_state` raises; callers guard.
    """
    dumped = _dumped(program)
    identity = {key: value for key, value in _map_lm(dumped, keep=False).items() if key != "metadata"}
    loadable = {**_map_lm(dumped, keep=True), "metadata": {"dependency_versions": _versions()}}
    state = json.dumps(plain(loadable), ensure_ascii=False, default=_encoded)
    return ProgramSnapshot(id=digest(identity), state=state)


def snapshot_if_program(candidate: object) -> ProgramSnapshot | None:
    """The snapshot; None of what is no `dspy.Module`, such as a plain function, which `Evaluate` takes as well.

    Raises:
        Exception: as `snapshot`.
    """
    return snapshot(candidate) if callable(getattr(candidate, "dump_state", None)) else None


def snapshot_of_texts(texts: Mapping[str, object]) -> ProgramSnapshot:
    """The texts of a system that is no `dspy.Module`, by component: a candidate of gepa's."""
    found = plain(dict(texts))
    return ProgramSnapshot(id=digest(found), state=json.dumps(found, ensure_ascii=False, default=_encoded))


def _dumped(program: object) -> dict[str, Any]:
    try:
        return cast("Dumpable", program).dump_state()
    except Exception:
        # DSPy refuses to save an LM whose engine is the user's own; the state leaves every LM out anyway.
        if not _has_models(program):
            raise
        return {name: _without_model(part).dump_state() for name, part in cast("Any", program).named_parameters()}


def _has_models(program: object) -> bool:
    return any(getattr(part, "lm", None) is not None for _, part in cast("Any", program).named_parameters())


def _without_model(part: object) -> Dumpable:
    """A shallow copy without its LM: the user's own must not be touched, and what else it holds may be large."""
    copied: Any = copy.copy(part)
    if getattr(copied, "lm", None) is not None:
        copied.lm = None
    return copied


def program_name(program: object) -> str:
    """The program's class name, as `dspy.program.name` tells it."""
    return type(program).__name__


def digest(value: object) -> str:
    """The first 16 hex digits of the sha256 of the value's canonical JSON."""
    canonical = json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_encoded)
    return hashlib.sha256(canonical.encode()).hexdigest()[:_ID_DIGITS]


def _map_lm(state: dict[str, Any], *, keep: bool) -> dict[str, Any]:
    """Make every predictor's `lm` null (keep) or drop it. A demo's field of that name is left as it is.

    A predictor that a program calls `lm` is left as well, while whatever else goes by that name is taken for an LM:
    the state of a `dspy.Flex` has neither signature nor demos.
    """
    mapped: dict[str, Any] = {}
    ours = _is_predictor(state)
    for key, item in state.items():
        if key == "lm" and (ours or not _is_predictor(item)):
            if keep:
                mapped[key] = None
        elif isinstance(item, dict) and not ours:
            mapped[str(key)] = _map_lm(cast("dict[str, Any]", item), keep=keep)
        else:
            mapped[str(key)] = item
    return mapped


def _is_predictor(state: object) -> bool:
    # Demos are a list; a program may have sub-modules of the names `signature` and `demos`, whose states are dicts.
    if not isinstance(state, dict):
        return False
    keys = cast("dict[str, Any]", state)
    return ("signature" in keys and isinstance(keys.get("demos"), list)) or {"module_src", "lm"} <= keys.keys()


def _encoded(value: object) -> str:
    return base64.b64encode(cast("bytes", value)).decode("ascii")


def _versions() -> dict[str, str]:
    # Module.load reads these and warns where they differ from its own.
    from dspy.utils.saving import get_dependency_versions  # noqa: PLC0415 - dspy is optional for this package

    return get_dependency_versions()
