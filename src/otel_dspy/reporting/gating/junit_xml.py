"""The result of a gate as JUnit XML, which CI systems show as tests."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from xml.etree import ElementTree as ET

from otel_dspy.reporting.gating.checks import WORDS

if TYPE_CHECKING:
    from otel_dspy.reporting.gating.checks import GateResult

_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 does not allow."""
_ELEMENTS: Final = {"fail": "failure", "unknown": "error"}
_SUITE: Final = "otel-dspy gate"


def junit(result: GateResult) -> str:
    """Return an XML document with a test case for each check; one that cannot be judged is an error."""
    counts = {
        "tests": str(len(result.checks)),
        "failures": str(sum(check.status == "fail" for check in result.checks)),
        "errors": str(sum(check.status == "unknown" for check in result.checks)),
    }
    suites = ET.Element("testsuites", counts)
    suite = ET.SubElement(suites, "testsuite", {"name": _SUITE, **counts})
    for check in result.checks:
        case = ET.SubElement(suite, "testcase", {"classname": "otel_dspy.gate", "name": check.name})
        message = _NOT_XML.sub("\ufffd", check.message)
        if check.status == "pass":
            ET.SubElement(case, "system-out").text = message
        else:
            problem = ET.SubElement(case, _ELEMENTS[check.status], {"message": message})
            problem.text = WORDS[check.status]
    ET.indent(suites)
    return f"<?xml version='1.0' encoding='utf-8'?>\n{ET.tostring(suites, encoding='unicode')}\n"
