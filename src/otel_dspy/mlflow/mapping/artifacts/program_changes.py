"""`changes.md`: the texts of a trial's program, and their differences from the initial program and its parents."""

from __future__ import annotations

import difflib
import re
import textwrap
from itertools import islice
from typing import TYPE_CHECKING, Final

from otel_dspy.formatting.counted_nouns import counted
from otel_dspy.serialization.json_text import parse_json, readable_json
from otel_dspy.serialization.json_types import is_array, is_object

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

MAX_LINE: Final = 500
"""Maximum characters of a line to show; lines are compared in full."""
WIDTH: Final = 100
"""Characters of a line as shown: MLflow's page does not wrap lines, and shows some 130 at most."""
MAX_LINES: Final = 400
"""Maximum lines to show of one part (a predictor's instructions, its fields, its demos)."""
MAX_COMPARED: Final = 2_000
"""Maximum lines of one part to compare: difflib's time grows with their square; at most 0.5 s for these."""
MAX_TEXT: Final = 200_000
"""Maximum characters of the whole text."""
_CUT: Final = "\n\n… cut here: the complete programs are in model.json and initial_model.json.\n"
_NOT_CHOSEN: Final = frozenset({"lm", "traces", "train"})
"""Keys of a predictor's state that the optimizer did not choose."""
_RUN_OF_BACKTICKS: Final = re.compile(r"`+")

Parts = dict[str, dict[str, list[str]]]
"""Predictor's path -> name of a part -> its lines."""


def changes(
    title: str, program: tuple[str, str], initial: tuple[str, str], parents: Sequence[tuple[str, str]] = ()
) -> str:
    """Return Markdown with the texts of a program and their changes.

    Args:
        title: the heading: what the program is, and its score.
        program: (id, state) of the trial's program; a state is the JSON text of `ProgramSnapshot`.
        initial: (id, state) of the compile's initial program.
        parents: (id, state) of the programs that it was derived from, if the optimizer reports them.

    Returns:
        At most `MAX_TEXT` characters; never raises, whatever the states contain.
    """
    mine = parts(program[1])
    pieces = [f"# {' '.join(title.split())}", f"Program {program[0]}"]
    others = [("the initial program", *initial)]
    others += [("its parent", parent_id, state) for parent_id, state in parents if parent_id != initial[0]]
    if any(parent_id == initial[0] for parent_id, _ in parents):
        others[0] = ("the initial program, its parent", *initial)
    for name, other_id, state in others:
        pieces.append(f"## Changes since {name} ({other_id})")
        # An id is the digest of the program's content, independent of the order of its JSON's keys.
        found = [] if other_id == program[0] else list(_differences(parts(state), mine))
        pieces += found or ["None: it is the same program."]
    pieces.append("## Its texts")
    pieces += _texts(mine)
    text = "\n\n".join(pieces) + "\n"
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - len(_CUT)] + _CUT


def parts(state: str) -> Parts:
    """Return the texts of each predictor of a state, as lines; empty if it is not a program's state."""
    return dict(_predictors(parse_json(state), ""))


def _predictors(state: object, path: str) -> Iterator[tuple[str, dict[str, list[str]]]]:
    if not is_object(state):
        return
    signature, demos = state.get("signature"), state.get("demos")
    if is_object(signature) and is_array(demos):
        yield path or "self", _predictor_parts(state, signature, demos)
        return
    rest = {key: item for key, item in state.items() if not is_object(item) and key not in _NOT_CHOSEN}
    if rest:
        yield path or "self", {key: _lines(item) for key, item in rest.items()}
    for key, item in state.items():
        # `metadata` holds the versions of the libraries.
        if is_object(item) and (path or key != "metadata"):
            yield from _predictors(item, f"{path}.{key}" if path else key)


def _predictor_parts(
    state: Mapping[str, object], signature: Mapping[str, object], demos: Sequence[object]
) -> dict[str, list[str]]:
    described = signature.get("fields")
    fields = described if is_array(described) else []
    known = {"signature", "demos", *_NOT_CHOSEN}
    found = {
        "instructions": _lines(signature.get("instructions") or ""),
        "field descriptions": [line for field in fields for line in _lines(_field(field))],
        "demos": [line for number, demo in enumerate(demos, 1) for line in (f"demo {number}", *_lines(demo, "  "))],
    }
    return found | {key: _lines(item) for key, item in state.items() if key not in known}


def _field(field: object) -> object:
    if not is_object(field):
        return field
    return f"{field.get('prefix', '')} {field.get('description', '')}"


def _lines(value: object, indent: str = "") -> list[str]:
    """Return a text's own lines; one or more lines for each field of a record; anything else as JSON."""
    if isinstance(value, str):
        return [indent + line for line in value.splitlines()]
    if is_object(value):
        return [line for name, item in value.items() for line in _labeled(name, _lines(item), indent)]
    return [indent + readable_json(value)]


def _labeled(name: str, lines: list[str], indent: str) -> list[str]:
    if len(lines) == 1:
        return [f"{indent}{name}: {lines[0]}"]
    return [f"{indent}{name}:", *(f"{indent}  {line}" for line in lines)]


def _differences(before: Parts, after: Parts) -> Iterator[str]:
    for path in dict.fromkeys([*before, *after]):
        old, new = before.get(path, {}), after.get(path, {})
        for part in dict.fromkeys([*old, *new]):
            first, second = old.get(part, []), new.get(part, [])
            if first != second:
                yield f"### {path}: {part}"
                yield _fenced("diff", _diff(first, second))


def _diff(before: list[str], after: list[str]) -> list[str]:
    compared = difflib.unified_diff(before[:MAX_COMPARED], after[:MAX_COMPARED], lineterm="", n=2)
    # The first two lines are file names, which do not apply.
    shown = list(islice(compared, 2, None))
    if not shown:
        shown = [f"(the difference lies beyond line {MAX_COMPARED})"]
    return shown


def _texts(program: Parts) -> Iterator[str]:
    for path, found in program.items():
        for part, lines in found.items():
            if lines:
                yield f"### {path}: {part}"
                yield _fenced("text", lines)


def _fenced(language: str, lines: list[str]) -> str:
    shown = [part for line in lines[:MAX_LINES] for part in _wrapped(line, line[:1] if language == "diff" else "")]
    if len(lines) > MAX_LINES:
        shown.append(f"… {counted(len(lines) - MAX_LINES, 'more line')}")
    longest = max((len(run) for line in shown for run in _RUN_OF_BACKTICKS.findall(line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join([fence + language, *shown, fence])


def _wrapped(line: str, sign: str) -> list[str]:
    """Return a line as shown: in several where it is long, and up to `MAX_LINE` characters of it."""
    if len(line) <= WIDTH:
        return [line]
    shown = textwrap.wrap(
        line[:MAX_LINE], WIDTH, subsequent_indent=f"{sign}    ", break_long_words=False, break_on_hyphens=False,
        expand_tabs=False, replace_whitespace=False,
    ) or [line[:MAX_LINE]]  # fmt: skip
    return shown if len(line) <= MAX_LINE else [*shown[:-1], f"{shown[-1]}… ({len(line)} characters)"]
