"""Report of a canary run: which installed versions differ from the suite's pins, and which scenarios fail on them.

`python -m tools.canary RESULTS` reads a JUnit file of pytest's and prints Markdown. Exit status 1 if a scenario failed.
"""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from importlib.metadata import distributions
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.markers import Marker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PINS: Final = Path(__file__).resolve().parents[1] / "requirements" / "dev.txt"


def normalized(name: str) -> str:
    """The name of a distribution as the pins have it."""
    return re.sub(r"[._-]+", "-", name).lower()


def pinned(text: str) -> dict[str, str]:
    """Name -> version of the pins in a requirements file that are for this interpreter and platform."""
    lines = re.findall(r"^([\w.-]+)==([^\s;\\]+)(?: ; ([^\\\n]+))?", text, re.MULTILINE)
    return {normalized(name): version for name, version, marker in lines if not marker or Marker(marker).evaluate()}


def changes(installed: Mapping[str, str], pins: Mapping[str, str]) -> list[str]:
    """A table row for each pinned distribution that is installed in another version, by name."""
    return [
        f"| {name} | {pins[name]} | {version} |"
        for name, version in sorted(installed.items())
        if name in pins and version != pins[name]
    ]


def failures(results: str) -> Iterator[str]:
    """A list item for each failed scenario of a JUnit file: its name and the first line of its error."""
    for case in ET.fromstring(results).iter("testcase"):  # noqa: S314 - pytest has just written it
        for kind in ("failure", "error"):
            found = case.find(kind)
            if found is not None:
                reason = (found.get("message") or "").splitlines() or [""]
                yield f"- `{case.get('classname')}::{case.get('name')}`: {reason[0][:200]}"


def report(results: str, installed: Mapping[str, str], pins: Mapping[str, str]) -> tuple[str, bool]:
    """The report as Markdown, and whether a scenario failed."""
    rows = changes(installed, pins)
    broken = list(failures(results))
    count = sum(1 for _ in ET.fromstring(results).iter("testcase"))  # noqa: S314 - the same
    lines = [
        f"{len(broken)} of {count} scenarios fail.",
        "",
        *(broken or ["No scenario fails."]),
        "",
        "| Distribution | Pinned | Today |",
        "|---|---|---|",
        *rows,
    ]
    return "\n".join(lines), bool(broken) or count == 0


def main() -> int:
    """Print the report for the environment of this interpreter."""
    installed = {normalized(one.metadata["Name"]): one.version for one in distributions()}
    results = Path(sys.argv[1]).read_text(encoding="utf-8")
    text, broken = report(results, installed, pinned(PINS.read_text(encoding="utf-8")))
    print(text)
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
