"""docs/optimizers.md lists for each optimizer what its hook records: each hook has a row, each name exists in the hook."""

from __future__ import annotations

import ast
import re
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

import pytest

import otel_dspy
from otel_dspy import semconv
from otel_dspy.hooks.optimizers.hook_registry import MODULES
from otel_dspy.mlflow.tracking.runs import report_writer
from tests.docs.code_blocks import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE: Final = "otel_dspy.hooks.optimizers"
HOOKS: Final = Path(otel_dspy.__file__).parent / "hooks" / "optimizers"
MAPPING: Final = Path(otel_dspy.__file__).parent / "mlflow" / "mapping"
PAGE: Final = (ROOT / "docs" / "optimizers.md").read_text(encoding="utf-8")
SELECTION: Final = "select"
"""The phase that `chosen.emit_demos` opens, for whichever hook calls it."""
_NAME: Final = re.compile(r"`([^`]+)`")


def _table(heading: str) -> list[list[str]]:
    section = re.split(r"\n###? ", PAGE.partition(f"\n## {heading}\n")[2])[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in rows[2:]]


def _names(cell: str) -> list[str]:
    return [name.removesuffix("…").removesuffix(".") for name in _NAME.findall(cell)]


TRIALS: Final = {_names(row[0])[0]: row[1:] for row in _table("Trials") if _names(row[0])}
PHASES: Final = {_names(row[0])[0]: row[1:] for row in _table("Phases")}


@cache
def _optimizers() -> dict[str, str]:
    """Class of each optimizer with a built-in hook -> the hook's module."""
    found: dict[str, str] = {}
    for entry in MODULES:
        module, _, name = entry.partition(":")
        hook = getattr(import_module(f"{PACKAGE}.{module}"), name)
        found[hook.optimizer.rpartition(".")[2]] = module
    return found


@cache
def _trees(module: str) -> list[ast.Module]:
    """The hook's source, and those of its siblings that it imports: of the same optimizer, or made for several."""
    seen: dict[str, ast.Module] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in seen or name in {"base", "hook_registry"}:
            continue
        path = HOOKS.joinpath(*name.split("."))
        source = path / "__init__.py" if path.is_dir() else path.with_name(f"{path.name}.py")
        seen[name] = ast.parse(source.read_text(encoding="utf-8"))
        imported = [node.module or "" for node in ast.walk(seen[name]) if isinstance(node, ast.ImportFrom)]
        waiting += [one.removeprefix(f"{PACKAGE}.") for one in imported if one.startswith(f"{PACKAGE}.")]
    return list(seen.values())


def _texts(trees: list[ast.Module]) -> set[str]:
    return {
        node.value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def _members(trees: list[ast.Module], enumeration: str) -> set[str]:
    return {
        node.attr.lower()
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == enumeration
    }


def _phases(trees: list[ast.Module]) -> Iterator[str]:
    """Names that a phase is opened with, where they stand in the call itself."""
    calls = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in calls:
        opened = ast.unparse(call.func)
        if opened == "emit_demos":
            yield SELECTION
        elif opened in {"PhaseHook", "super().__init__"}:
            for argument in call.args[2:3]:
                if (
                    isinstance(argument, ast.Constant)
                    and isinstance(argument.value, str)
                    and argument.value != SELECTION
                ):
                    yield argument.value


def test_every_hook_has_its_rows() -> None:
    """Each optimizer with a hook stands in the table of trials, and no other does."""
    assert set(TRIALS) == set(_optimizers())
    assert set(PHASES) <= set(TRIALS)


@pytest.mark.parametrize("optimizer", TRIALS)
def test_a_row_lists_what_the_hook_records(optimizer: str) -> None:
    """Kinds, parameters, unit and phases of the row are in the hook's source, and its kinds and phases in the row."""
    trees = _trees(_optimizers()[optimizer])
    texts = _texts(trees)
    _, kinds, parameters, score = TRIALS[optimizer]
    known = {name for name in _names(parameters) if any(text.startswith(name) for text in texts)}
    chosen = {"demo_index_for_"}  # Optuna's names, not the hook's
    assert known == set(_names(parameters)) - chosen
    if _names(kinds):
        assert _members(trees, "TrialKind") - {"candidate"} == set(_names(kinds)) - {"candidate"}
        assert ("ratio" in _members(trees, "ScoreUnit")) == (score == "ratio")
    phases = set(_names(PHASES[optimizer][0])) if optimizer in PHASES else set[str]()
    assert phases <= texts
    assert set(_phases(trees)) <= phases


def test_roles_and_artifacts() -> None:
    """Every role and every artifact is one that is written, and none is left out."""
    assert [_names(row[0])[0] for row in _table("Cost by role and by model")] == list(get_args(semconv.DspyLmRole))
    recorded = "".join(text for path in MAPPING.rglob("*.py") for text in [path.read_text(encoding="utf-8")])
    named = {name for row in _table("In MLflow") for name in _names(row[1])}
    written = set(re.findall(r"\"([\w/]+\.(?:json|md))\"", recorded)) - {"evalset.json"}  # of a stand-alone evaluation
    written.add(report_writer.PATH)  # not by the mapping: it is read back
    assert written <= named
    assert {name for name in named - written if not name.endswith("_table.json")} == set()
