"""Table of the licenses in a CycloneDX SBOM: `python -m tools.licenses build/sbom.cdx.json`."""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

FEW: Final = 6
"""Up to so many components are listed by name."""
SPDX: Final = {
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
}
"""Names in the classifiers of Python packages -> SPDX identifiers; `BSD` is one of several."""


def license_of(component: Mapping[str, Any]) -> str:
    """The component's declared license: an SPDX expression or identifier before a classifier; `not declared`."""
    names: list[str] = []
    for entry in component.get("licenses", []):
        license_ = entry.get("license", {})
        exact = entry.get("expression") or license_.get("id")
        if exact:
            return str(exact)
        name = (
            str(license_.get("name", "")).removeprefix("License :: ").removeprefix("OSI Approved").removeprefix(" :: ")
        )
        names.append(SPDX.get(name, name))
    return next((name for name in names if name), "not declared")


def table(sbom: Mapping[str, Any]) -> list[str]:
    """A Markdown table: license, number of components, and their names where they are few; the most frequent first."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for component in sbom["components"]:
        found[license_of(component)].append(str(component["name"]))
    rows = sorted(found.items(), key=lambda row: (-len(row[1]), row[0]))
    return [
        "| License | Components | |",
        "|---|---|---|",
        *(
            f"| {license_} | {len(names)} | {', '.join(sorted(names, key=str.lower)) if len(names) <= FEW else ''} |"
            for license_, names in rows
        ),
    ]


if __name__ == "__main__":
    print("\n".join(table(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))))
