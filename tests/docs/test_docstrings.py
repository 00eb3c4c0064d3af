"""Docstrings of public functions and classes, beyond what ruff's pydocstyle and pydoclint rules check."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from tests.docs.code_blocks import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCE: Final = ROOT / "src" / "otel_dspy"
EXPLAINED_FROM: Final = 3
"""Number of parameters from which a docstring has to explain them."""

_ARGUMENT: Final = re.compile(r"^ {4}\*{0,2}(\w+)(?: \(.*?\))?:", re.MULTILINE)
_Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


class Documented(NamedTuple):
    """Public function or class: qualified name, its parameters, and the arguments that its docstring names."""

    name: str
    parameters: list[str]
    arguments: list[str] | None
    """None without an Args section."""


def documented(scope: ast.AST, prefix: str = "") -> Iterator[Documented]:
    """Yield the public functions and classes of a module, methods included, without overrides and overloads."""
    for node in ast.iter_child_nodes(scope):
        if isinstance(node, ast.If | ast.Try):
            yield from documented(node, prefix)
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            init = next(
                (each for each in node.body if isinstance(each, ast.FunctionDef) and each.name == "__init__"), None
            )
            if init is not None:
                docstring = f"{ast.get_docstring(node) or ''}\n\n{ast.get_docstring(init) or ''}"
                yield Documented(prefix + node.name, parameters(init)[1:], arguments(docstring))
            yield from documented(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            decorators = {ast.unparse(each).rpartition(".")[2] for each in node.decorator_list}
            if not decorators & {"override", "overload"}:
                bound = bool(prefix) and "staticmethod" not in decorators
                yield Documented(prefix + node.name, parameters(node)[bound:], arguments(ast.get_docstring(node) or ""))


def parameters(function: _Function) -> list[str]:
    """Return the names of the parameters, without `*args` and `**kwargs`."""
    every = function.args
    return [each.arg for each in (*every.posonlyargs, *every.args, *every.kwonlyargs)]


def arguments(docstring: str) -> list[str] | None:
    """Return the names in the Args section, without asterisks; None if there is no such section."""
    found = re.search(r"^Args:\n((?: {4}.*\n|\n)*)", docstring + "\n", re.MULTILINE)
    return None if found is None else _ARGUMENT.findall(found[1])


def in_source() -> Iterator[tuple[Path, Documented]]:
    """Yield every public function and class of the package with its file."""
    for file in sorted(SOURCE.rglob("*.py")):
        for each in documented(ast.parse(file.read_text(encoding="utf-8"))):
            yield file.relative_to(ROOT), each


def test_functions_and_classes_with_three_parameters_have_an_args_section() -> None:
    """Fewer parameters may be explained in the summary line."""
    without = [
        f"{file}: {each.name}({', '.join(each.parameters)})"
        for file, each in in_source()
        if len(each.parameters) >= EXPLAINED_FROM and each.arguments is None
    ]
    assert without == []


def test_an_args_section_lists_each_parameter() -> None:
    """Of a class, the parameters of `__init__`; ruff's D417 checks only functions."""
    incomplete = [
        f"{file}: {each.name} lacks {', '.join(missing)}"
        for file, each in in_source()
        if each.arguments is not None and (missing := [name for name in each.parameters if name not in each.arguments])
    ]
    assert incomplete == []


def test_what_counts_as_documented() -> None:
    """Methods count without `self`, classes by `__init__`; overrides and private functions are left out."""
    module = ast.parse(
        '''
class Queue:
    """Queue.

    Args:
        size: bytes.
            Continued: here.
    """

    def __init__(self, size, *, name): ...

    def put(self, *items, key=None):
        """Append."""

    @override
    def close(self, a, b, c): ...

def _private(a, b, c): ...
'''
    )
    assert list(documented(module)) == [
        Documented("Queue", ["size", "name"], ["size"]),
        Documented("Queue.put", ["key"], None),
    ]
