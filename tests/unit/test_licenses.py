"""The table of licenses: an exact identifier before a classifier's name, and nothing undeclared left out."""

from __future__ import annotations

from tools.licenses import table


def test_each_component_is_in_one_row() -> None:
    """Identifiers, expressions and classifiers of the same license share a row; undeclared ones have their own."""
    components = [
        {"name": "one", "licenses": [{"license": {"name": "License :: OSI Approved :: MIT License"}}]},
        {"name": "two", "licenses": [{"license": {"name": "any"}}, {"license": {"id": "MIT"}}]},
        {"name": "three", "licenses": [{"expression": "MPL-2.0 AND MIT"}]},
        {"name": "four"},
    ]
    assert table({"components": components}) == [
        "| License | Components | |",
        "|---|---|---|",
        "| MIT | 2 | one, two |",
        "| MPL-2.0 AND MIT | 1 | three |",
        "| not declared | 1 | four |",
    ]
