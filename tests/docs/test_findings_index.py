"""findings/README.md: a row for each script, in the order of their names."""

from __future__ import annotations

import re

from tests.docs.code_blocks import ROOT

FOLDER = ROOT / "findings"


def test_each_script_has_one_row() -> None:
    """Text and target of a row's link are the script's name."""
    rows = re.findall(r"^\| \[(.+?)\]\((.+?)\) \| \S", (FOLDER / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    names = sorted(script.name for script in FOLDER.glob("*.sh"))
    assert rows == [(name, name) for name in names]
