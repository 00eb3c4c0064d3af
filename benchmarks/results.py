"""Benchmark results, saved with the machine, the versions and the command."""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from benchmarks.environments import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

RESULTS: Final = ROOT / "benchmarks" / "results"

Row = dict[str, Any]


def pinned(names: Iterable[str], *files: Path) -> dict[str, str]:
    """Package -> version, as the requirement files pin them; a package that none of them names is left out."""
    text = "\n".join(file.read_text() for file in files)
    found = {name: re.search(rf"^{re.escape(name)}==(\S+)", text, re.MULTILINE) for name in names}
    return {name: match[1] for name, match in found.items() if match is not None}


def save(name: str, rows: Sequence[Row], versions: Mapping[str, str], **facts: object) -> None:
    """Write the rows to `results/<name>.json`. `facts`: what else the run should be known by."""
    RESULTS.mkdir(exist_ok=True)
    result = {
        "command": " ".join(["python", "-m", f"benchmarks.{Path(sys.argv[0]).stem}", *sys.argv[1:]]),
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": machine(),
        "load": round(os.getloadavg()[0], 1),
        "versions": {"python": platform.python_version(), **versions},
        **facts,
        "rows": list(rows),
    }
    (RESULTS / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")


def machine() -> str:
    """Processor, number of cores and system, in words."""
    cpu = Path("/proc/cpuinfo")
    model = re.search(r"^model name\s*:\s*(.+)$", cpu.read_text(), re.MULTILINE) if cpu.exists() else None
    return f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores, {platform.system()}"


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table; the columns are those of the first row."""
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns), *([_cell(row[column]) for column in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.2f}"
    if isinstance(value, list | tuple):
        return " to ".join(_cell(item) for item in cast("Sequence[object]", value))
    return str(value)
