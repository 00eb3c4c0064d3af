"""Writes saved benchmark results into docs/performance.md, each table after its marker: `python -m benchmarks.page`."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from benchmarks.environments import ROOT
from benchmarks.results import RESULTS, table

_PAGE: Final = ROOT / "docs" / "performance.md"
_NO_COLUMNS: Final = {"memory"}
"""Series that a picture shows and a table cannot."""


def section(name: str) -> str:
    """The table of a benchmark with the machine, the versions and the command below it."""
    kept: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    rows = [{key: value for key, value in row.items() if key not in _NO_COLUMNS} for row in kept["rows"]]
    versions = ", ".join(f"{package} {version}" for package, version in kept["versions"].items())
    load = f" Load average at the end: {kept['load']:.0f}." if "load" in kept else ""
    return f"{table(rows)}\n\n`{kept['command']}`, {kept['date']}, {kept['machine']}.{load} {versions}."


def main() -> None:
    """Rewrite the page."""
    text = _PAGE.read_text()
    for path in sorted(RESULTS.glob("*.json")):
        name = path.stem
        between = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- end -->)", re.DOTALL)
        text = between.sub(lambda _, name=name: f"{section(name)}\n", text, count=1)
    _PAGE.write_text(text)


if __name__ == "__main__":
    main()
