"""Plain technical English: words that pages, docstrings and messages do not use, each with the field's term."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Final

import pytest

from tests.docs.code_blocks import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INSTEAD: Final = {
    "tell": "record (a span), export, deliver, log (to MLflow), report (an error), detect, distinguish",
    "tells": "records, exports, delivers, logs, reports, shows",
    "told": "recorded, exported, delivered, logged, reported",
    "says": "sets, contains, returns, means",
    "said": "set, contained, reported",
    "hears": "receives, observes",
    "heard": "received, observed",
    "nobody": "no process, no exporter, no user; or the passive voice",
    "whoever": "the caller, the process, the writer that",
    "of ours": "of otel-dspy; its own",
    "it is none": "it is not a valid ...",
    "lane": "span queue",
    "courtesy": "CPU throttle",
    "recollection": "state lookup",
    "standing back": "coexistence with other instrumentations",
    "beneath": "below, inside; wrapper order",
    "adoption": "SDK provider setup",
    "wing": "package, layer",
    "wings": "packages, layers",
    "house": "project, package",
    # "room" in the singular is also capacity, as in "no room for all of them".
    "rooms": "packages, modules",
}
"""Word or words to the replacement that a failure names."""

PROMPT: Final = "Tell the sentiment of a tweet."
"""The one text of the package that a model reads, not a user."""

SOURCE: Final = ROOT / "src" / "otel_dspy"
PACKAGES: Final = sorted(
    path.name for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
)
PAGES: Final = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "CHANGELOG.md",
    ROOT / "collector" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
_WORDS: Final = re.compile(
    r"\b(" + "|".join(words.replace(" ", r"\s+") for words in sorted(INSTEAD, key=len, reverse=True)) + r")\b",
    re.IGNORECASE,
)
_CODE: Final = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def occurrences(text: str, first_line: int = 1) -> Iterator[tuple[int, str]]:
    """Yield the line of each of the words outside of code, and its replacement."""
    prose = _CODE.sub(lambda code: "\n" * code[0].count("\n"), text)
    for match in _WORDS.finditer(prose):
        words = " ".join(match[0].lower().split())
        yield first_line + prose.count("\n", 0, match.start()), f'instead of "{words}" write: {INSTEAD[words]}'


def in_docstrings(file: Path) -> Iterator[str]:
    """Yield a line for each of the words in a file's docstrings, including those of attributes."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            for line, text in occurrences(node.value.value, node.lineno):
                yield f"{file.relative_to(ROOT)}:{line}: {text}"


def in_texts(file: Path) -> Iterator[str]:
    """Yield a line for each of the words in a file's texts: docstrings, log and error messages, help of the commands."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value != PROMPT:
            for line, text in occurrences(node.value, node.lineno):
                yield f"{file.relative_to(ROOT)}:{line}: {text}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_pages_use_the_terms_of_the_field(page: Path) -> None:
    """No page uses one of the words; the failure names the line and the replacement."""
    assert [f"{page.name}:{line}: {text}" for line, text in occurrences(page.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_docstrings_and_messages_use_the_terms_of_the_field(package: str) -> None:
    """No docstring, log message, error message or help text uses one of the words."""
    path = SOURCE / package
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    assert [line for file in files for line in in_texts(file)] == []


@pytest.mark.parametrize("folder", ["tests", "benchmarks", "tools", "examples"])
def test_docstrings_outside_the_package_use_the_terms_of_the_field(folder: str) -> None:
    """The same for the docstrings of tests, benchmarks, tools and examples."""
    assert [line for file in sorted((ROOT / folder).rglob("*.py")) for line in in_docstrings(file)] == []


def test_code_is_skipped_and_lines_are_counted() -> None:
    """Code blocks and code spans are skipped; words over two lines count at the first one."""
    text = "a\n```python\ntold\n```\nb `tell` c\nit is\nnone, he Said\n"
    assert [line for line, _ in occurrences(text)] == [6, 7]
