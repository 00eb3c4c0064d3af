"""The canary's report: what failed, and which versions differ from the pins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tools.canary import main, pinned, report

if TYPE_CHECKING:
    from pathlib import Path

RESULTS = """<testsuites><testsuite>
<testcase classname="tests.versions.test_calls" name="test_a_call"/>
<testcase classname="tests.versions.test_calls" name="test_a_stream"><failure message="assert 1 == 2&#10;and more"/></testcase>
</testsuite></testsuites>"""
PASSED = """<testsuites><testsuite><testcase classname="a" name="b"/></testsuite></testsuites>"""
PINS = """dspy==3.4.1 \\
    --hash=sha256:00
opentelemetry-api==1.45.2 ; python_version < '4' \\
    --hash=sha256:00
numpy==2.4.6 ; python_full_version < '4'
numpy==2.5.5 ; python_full_version >= '4'
"""


def test_a_failed_scenario_is_listed_first() -> None:
    """The report names the scenario with its error's first line, then each version that is not the pinned one."""
    installed = {"dspy": "3.5.0b1", "opentelemetry-api": "1.45.2", "numpy": "2.4.6", "new": "1"}
    text, broken = report(RESULTS, installed, pinned(PINS))
    assert broken
    assert text.splitlines() == [
        "1 of 2 scenarios fail.",
        "",
        "- `tests.versions.test_calls::test_a_stream`: assert 1 == 2",
        "",
        "| Distribution | Pinned | Today |",
        "|---|---|---|",
        "| dspy | 3.4.1 | 3.5.0b1 |",
    ]


def test_a_run_without_scenarios_is_no_success() -> None:
    """Where nothing was collected the run has failed."""
    assert report("<testsuites/>", {}, {})[1]


def test_a_scenario_that_ends_in_an_error_has_failed_too() -> None:
    """Of its fixtures, say; a long message is cut to 200 characters, and one without any text keeps its line."""
    results = f"""<testsuites><testsuite>
<testcase classname="a" name="long"><error message="{"e" * 201}"/></testcase>
<testcase classname="a" name="silent"><failure/></testcase>
</testsuite></testsuites>"""
    text, broken = report(results, {}, {})
    assert broken
    assert text.splitlines()[2:4] == [f"- `a::long`: {'e' * 200}", "- `a::silent`: "]


@pytest.mark.parametrize(("results", "status"), [(RESULTS, 1), (PASSED, 0)])
def test_the_exit_status_of_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], results: str, status: int
) -> None:
    """1 if a scenario failed, and the report on standard output."""
    file = tmp_path / "results.xml"
    file.write_text(results, encoding="utf-8")
    monkeypatch.setattr("sys.argv", ["canary", str(file)])
    assert main() == status
    printed = capsys.readouterr().out
    assert printed.startswith(f"{status} of {1 + status} scenarios fail.\n")
    assert ("No scenario fails." in printed) == (status == 0)
