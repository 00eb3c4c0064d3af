"""The table of licenses: an exact identifier before a classifier's name, and nothing undeclared left out."""

from __future__ import annotations

import pytest

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


@pytest.mark.parametrize(("number", "names"), [(6, "a, b, c, d, e, f"), (7, "")])
def test_the_names_of_many_components_are_left_out(number: int, names: str) -> None:
    """Up to six are listed."""
    components = [{"name": name, "licenses": [{"license": {"id": "MIT"}}]} for name in "gfedcba"[-number:]]
    assert table({"components": components})[2:] == [f"| MIT | {number} | {names} |"]


def test_names_that_classifiers_have() -> None:
    """Each becomes the identifier of its license; licenses of as many components follow each other by name."""
    named = {"p": "Mozilla Public License 2.0 (MPL 2.0)", "q": "License :: OSI Approved :: Apache Software License"}
    components = [{"name": name, "licenses": [{"license": {"name": text}}]} for name, text in named.items()]
    assert table({"components": components})[2:] == ["| Apache-2.0 | 1 | q |", "| MPL-2.0 | 1 | p |"]
