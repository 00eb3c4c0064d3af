"""The canary's report: what failed, and which versions differ from the pins."""

from __future__ import annotations

from tools.canary import pinned, report

RESULTS = """<testsuites><testsuite>
<testcase classname="tests.versions.test_calls" name="test_a_call"/>
<testcase classname="tests.versions.test_calls" name="test_a_stream"><failure message="assert 1 == 2&#10;and more"/></testcase>
</testsuite></testsuites>"""
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
