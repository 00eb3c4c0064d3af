"""otel-dspy's own private names in its tests: each use ties a test to an implementation, so there may be no more of them."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT: Final = Path(__file__).resolve().parents[2]
_NAME: Final = r"(_[a-zA-Z]\w*)\b"
_DEFINED: Final = re.compile(rf"(?:\bdef |\bclass |\bself\.|\bcls\.|^){_NAME}", re.MULTILINE)
_PRIVATE: Final = re.compile(rf"\b{_NAME}")
LIMIT: Final = 65
"""Uses in all tests. Lower it with each one that a public name replaces; a new test gets by without."""


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _defined(text: str) -> set[str]:
    """Private functions, classes, variables and attributes of a file; `_repr_html_` is IPython's protocol."""
    return set(_DEFINED.findall(text)) - {"_repr_html_"}


def _uses(text: str, names: set[str]) -> Iterator[str]:
    """Uses of these names: as an attribute, as what is imported, as what is replaced."""
    if not names:
        return
    for node in ast.walk(ast.parse(text)):
        found: list[object] = []
        match node:
            case ast.Attribute(attr=name, value=value) if not (isinstance(value, ast.Name) and value.id == "os"):
                found = [name]
            case ast.ImportFrom(module=str(module), names=aliases) if module.startswith("otel_dspy"):
                found = [alias.name for alias in aliases]
            case ast.Call(func=ast.Attribute(attr="setattr"), args=[_, ast.Constant(value=str(name)), *_]):
                found = [name]
            case ast.Constant(value=str(name)) if name.startswith("otel_dspy."):
                found = [name.rpartition(".")[2]]
            case _:
                pass
        yield from (f"{getattr(node, 'lineno', 0)}: {name}" for name in found if name in names)


def test_tests_use_no_more_private_names_than_before() -> None:
    """Names that a test's own file defines too are not counted."""
    own = {name for path in (_ROOT / "src" / "otel_dspy").rglob("*.py") for name in _defined(_text(path))}
    texts = {path: _text(path) for path in sorted((_ROOT / "tests").rglob("*.py"))}
    uses = [
        f"{path.relative_to(_ROOT)}:{use}"
        for path, text in texts.items()
        for use in _uses(text, own.intersection(_PRIVATE.findall(text)) - _defined(text))
    ]
    assert "tests/unit/mlflow/tracking/test_artifact_queue.py" in "".join(uses)
    assert len(uses) <= LIMIT, "\n".join(uses)
