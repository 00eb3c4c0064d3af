"""A program's state: dumped without secrets, and the identity that its content gives it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final, Protocol, cast

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
            LM keeps its headers and, in some versions of DSPy, its key.
    """

    id: str
    state: str


def snapshot(program: object) -> ProgramSnapshot:
    """Dump a `dspy.Module`.

    Raises:
        Exception: whatever a user's own `dump_state` raises; callers guard.
    """
    dumped = cast("Dumpable", program).dump_state()
    identity = {key: value for key, value in _map_lm(dumped, keep=False).items() if key != "metadata"}
    loadable = {**_map_lm(dumped, keep=True), "metadata": {"dependency_versions": _versions()}}
    return ProgramSnapshot(id=digest(identity), state=json.dumps(loadable, ensure_ascii=False, default=str))


def program_name(program: object) -> str:
    """The program's class name, as `dspy.program.name` tells it."""
    return type(program).__name__


def digest(value: object) -> str:
    """The first 16 hex digits of the sha256 of the value's canonical JSON."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(canonical.encode()).hexdigest()[:_ID_DIGITS]


def _map_lm(state: dict[str, Any], *, keep: bool) -> dict[str, Any]:
    """Make every predictor's `lm` null (keep) or drop it. A demo's field of that name is left as it is."""
    if "signature" in state and "demos" in state:
        rest = {key: item for key, item in state.items() if key != "lm"}
        return {**rest, "lm": None} if keep else rest
    return {
        str(key): _map_lm(cast("dict[str, Any]", item), keep=keep) if isinstance(item, dict) else item
        for key, item in state.items()
    }


def _versions() -> dict[str, str]:
    # Module.load reads these and warns where they differ from its own.
    from dspy.utils.saving import get_dependency_versions  # noqa: PLC0415 - dspy is optional for this package

    return get_dependency_versions()
