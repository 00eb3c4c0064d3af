"""Every code block of the documentation works: it is run, parsed, or another test is named for it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.docs.code_blocks import DATA, ROOT, blocks, documents, programs, uncovered
from tests.support.blank_store import blank_store
from tests.support.dspy_answers import dspy_script
from tests.support.lm_server import scripted_lm
from tests.support.programs import run_program

if TYPE_CHECKING:
    from tests.docs.code_blocks import Block

PARSERS = {"json": json.loads, "yaml": yaml.safe_load, "toml": tomllib.loads}
TIMEOUT = 300.0
"""Seconds that one program of the documentation may take."""


def _programs() -> list[pytest.ParameterSet]:
    """Each program of the documentation once, where it stands first."""
    found: dict[tuple[str, str], Block] = {}
    for path in documents():
        for program in programs(path):
            text = re.sub(r"\s+#.*", "", program.text) if program.language == "bash" else program.text
            found.setdefault((program.language, text.strip()), program)
    return [pytest.param(block, id=block.place) for block in found.values()]


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_no_block_is_left_to_trust(path: Path) -> None:
    """Each block is in a language that is run or parsed, is plain text, or names a test that exists."""
    assert list(uncovered(path)) == []


@pytest.mark.parametrize("block", _programs())
def test_it_runs(block: Block, tmp_path: Path) -> None:
    """The block runs to its end as its reader would run it: a program of its own, in an empty folder.

    One in Python is run in a fork of an interpreter that has DSPy and MLflow imported: see `tests.support.programs`.
    The model behind `openai/…` is a scripted one on loopback; no key and no network is needed. A program that writes
    `mlflow.db` finds an empty store there: creating the tables takes MLflow longer than the program.
    """
    if "sqlite:///mlflow.db" in block.text:
        blank_store(tmp_path)
    with scripted_lm(dspy_script({})) as server:
        environment = os.environ | {
            "OPENAI_API_BASE": server.api_base,
            "OPENAI_API_KEY": "none",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        }
        if block.language == "python":
            result = run_program(text=block.text, folder=tmp_path, environment=environment, patience=TIMEOUT)
        else:
            result = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", block.text],
                cwd=tmp_path,
                env=environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
                check=False,
            )
    assert result.returncode == 0, f"{block.place} fails:\n{result.stdout}\n{result.stderr}"


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.name)
def test_data_parses(path: Path) -> None:
    """Each block of data in the document is valid in its language."""
    for block in blocks(path):
        if block.language in DATA and block.covered_by is None:
            assert PARSERS[block.language](block.text) is not None, block.place


def test_the_runner_sees_every_kind_of_block(tmp_path: Path) -> None:
    """Blocks are found anywhere; continued ones are joined; uncovered ones are reported."""
    path = tmp_path / "page.md"
    path.write_text(
        "```python\na = 1\n```\n\n- in a list:\n\n  ```bash\n  true\n  ```\n\n"
        "<!-- continues -->\n```python\nprint(a)\n```\n\n"
        "<!-- covered-by: tests/docs/test_code_blocks.py::test_it_runs -->\n```bash\nmake demo\n```\n\n"
        "<!-- covered-by: tests/docs/test_code_blocks.py::test_nothing -->\n```bash\nmake fame\n```\n\n"
        "<!-- covered-by: tests/unit/test_soak.py::test_what_is_not_flat_is_found -->\n```bash\nmake soak\n```\n\n"
        "<!-- not-run: it takes an hour -->\n```bash\nmake hour\n```\n\n"
        "<!-- not-run: it takes an hour; see tests/unit/test_soak.py::test_hour -->\n```bash\nmake hour\n```\n\n"
        "```ruby\nputs 1\n```\n\n    indented\n\n```text\nout\n```\n",
        encoding="utf-8",
    )
    assert [(program.language, program.text) for program in programs(path)] == [
        ("python", "a = 1\n\nprint(a)\n"),
        ("bash", "true\n"),
    ]
    assert list(uncovered(path)) == [
        "page.md:22: there is no test tests/docs/test_code_blocks.py::test_nothing",
        "page.md:27: tests/unit/test_soak.py does not read the block: build it from the block, or say not-run and why",
        "page.md:37: there is no test tests/unit/test_soak.py::test_hour",
        "page.md:41: nobody runs a block in 'ruby': say how it is covered",
        "page.md:45: nobody runs a block in 'no language': say how it is covered",
    ]


def test_the_readme_is_among_the_documents() -> None:
    """The page that everyone reads first is checked."""
    assert ROOT / "README.md" in documents()
