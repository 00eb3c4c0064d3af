"""Snapshots of a program: its state without secrets, and a content-based id."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from otel_dspy.serialization.plain_data import plain
from otel_dspy.serialization.set_order import with_ordered_sets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ID_DIGITS: Final = 16


class Dumpable(Protocol):
    """The part of `dspy.Module` that is used here."""

    def dump_state(self) -> dict[str, Any]:
        """Return the state of every predictor by its path."""
        ...


@dataclass(frozen=True, slots=True)
class ProgramSnapshot:
    """Snapshot of a program's state.

    Attributes:
        id: the first 16 hex digits of the sha256 of the state's canonical JSON without `lm` and `metadata`. If the
            program has parts that were compiled on their own, which DSPy leaves out of the state, theirs are added.
        state: JSON text that `dspy.Module.load` reads from a .json file. Every `lm` in it is null, because a saved LM
            contains its headers and, in some versions of DSPy, its key. For a system that is not a `dspy.Module`: its
            texts by component name.
    """

    id: str
    state: str


def snapshot(program: object) -> ProgramSnapshot:
    """Create the snapshot of a `dspy.Module`.

    Raises:
        Exception: any exception of a user-defined `dump_state`; call it inside `guarded`.
    """
    dumped = _dumped(program)
    whole = {**dumped, **_frozen(program)}
    identity = {key: value for key, value in _map_lm(whole, keep=False).items() if key != "metadata"}
    loadable = {**_map_lm(dumped, keep=True), "metadata": {"dependency_versions": _versions()}}
    state = json.dumps(plain(loadable), ensure_ascii=False, default=_encoded)
    return ProgramSnapshot(id=digest(identity), state=state)


def snapshot_if_program(candidate: object) -> ProgramSnapshot | None:
    """Create the snapshot; return None if the object is not a `dspy.Module`. `Evaluate` also accepts functions.

    Raises:
        Exception: see `snapshot`.
    """
    return snapshot(candidate) if callable(getattr(candidate, "dump_state", None)) else None


def snapshot_of_texts(texts: Mapping[str, object]) -> ProgramSnapshot:
    """Create the snapshot of a system that is not a `dspy.Module`, such as a candidate of gepa: component -> text."""
    found = plain(dict(texts))
    return ProgramSnapshot(id=digest(found), state=json.dumps(found, ensure_ascii=False, default=_encoded))


def _dumped(program: object) -> dict[str, Any]:
    return with_ordered_sets(program, _state(program))


def _state(program: object) -> dict[str, Any]:
    try:
        return cast("Dumpable", program).dump_state()
    except Exception:
        # DSPy cannot dump an LM with a user-defined engine; the state omits every LM anyway. And it passes `json_mode`
        # to each part, which `dspy.Retrieve` does not have.
        if not _has_models(program) and not _has_retrievers(program):
            raise
        if _is_parameter(program):  # its state is its own, without the path of a predictor in it
            return _without_model(program).dump_state()
        return {name: _without_model(part).dump_state() for name, part in cast("Any", program).named_parameters()}


def _frozen(program: object) -> dict[str, Any]:
    """Return the states, by path, of the predictors that `dump_state` leaves out.

    DSPy takes a compiled sub-module for frozen: `named_parameters` of a program around it skips it
    (`dspy/primitives/base_module.py` of 3.4.1). All ensembles of compiled programs would be one program otherwise.
    """
    walk: Any = getattr(program, "named_sub_modules", None)  # not of every object with a `dump_state`
    modules = cast("Iterable[tuple[str, object]]", walk() if callable(walk) else ())
    return {
        f"{path}.{name}": state
        for path, part in modules
        if part is not program and not _is_parameter(part) and getattr(part, "_compiled", False)
        for name, state in _dumped(part).items()
    }


def _is_parameter(part: object) -> bool:
    from dspy.predict.parameter import Parameter  # noqa: PLC0415 - dspy is optional for this package

    return isinstance(part, Parameter)


def _has_models(program: object) -> bool:
    return any(getattr(part, "lm", None) is not None for _, part in cast("Any", program).named_parameters())


def _has_retrievers(program: object) -> bool:
    from dspy import Retrieve  # noqa: PLC0415 - dspy is optional for this package

    return any(isinstance(part, Retrieve) for _, part in cast("Any", program).named_parameters())


def _without_model(part: object) -> Dumpable:
    """Return a shallow copy without the LM. The user's object must not change, and a deep copy may be large."""
    copied: Any = copy.copy(part)
    if getattr(copied, "lm", None) is not None:
        copied.lm = None
    return copied


def program_name(program: object) -> str:
    """Return `dspy.program.name`: the name of the program's class."""
    return type(program).__name__


def digest(value: object) -> str:
    """Return the first 16 hex digits of the sha256 of the value's canonical JSON."""
    canonical = json.dumps(plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=_encoded)
    return hashlib.sha256(canonical.encode()).hexdigest()[:_ID_DIGITS]


def _map_lm(state: dict[str, Any], *, keep: bool) -> dict[str, Any]:
    """Set every predictor's `lm` to null (`keep`) or remove it. A demo's field named `lm` is unchanged.

    A predictor that is named `lm` in its program is unchanged too. Any other value of that name is treated as an LM:
    the state of a `dspy.Flex` has neither a signature nor demos.
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
    # Demos are a list; the states of sub-modules named `signature` and `demos` are dicts.
    if not isinstance(state, dict):
        return False
    keys = cast("dict[str, Any]", state)
    return ("signature" in keys and isinstance(keys.get("demos"), list)) or {"module_src", "lm"} <= keys.keys()


def _encoded(value: object) -> str:
    return base64.b64encode(cast("bytes", value)).decode("ascii")


def _versions() -> dict[str, str]:
    # Module.load compares these with the installed versions and warns on a difference.
    from dspy.utils.saving import get_dependency_versions  # noqa: PLC0415 - dspy is optional for this package

    return get_dependency_versions()
