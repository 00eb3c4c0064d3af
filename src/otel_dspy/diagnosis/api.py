"""`otel_dspy.doctor`: the checks of `otel-dspy doctor`, and of the process that calls it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from html import escape
from typing import TYPE_CHECKING, Final

from otel_dspy.diagnosis.finding import Level

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.diagnosis.finding import Finding

_MARKS: Final = {Level.OK: "ok", Level.NOTE: "--", Level.WARNING: "!!", Level.PROBLEM: "XX"}


@dataclass(frozen=True)
class Diagnosis:
    """Result of all checks.

    Attributes:
        versions: of the packages, None for those that are not installed.
        findings: in the order of the checks.
    """

    versions: Mapping[str, str | None]
    findings: tuple[Finding, ...]

    @property
    def works(self) -> bool:
        """Whether no check found a problem; warnings do not count as problems."""
        return all(finding.level is not Level.PROBLEM for finding in self.findings)

    @property
    def text(self) -> str:
        """Plain text: the versions, and a line for each finding."""
        width = max((len(finding.subject) for finding in self.findings), default=0)
        lines = [self._installed]
        lines += [f"{_MARKS[found.level]} {found.subject:<{width}}  {found.text}" for found in self.findings]
        return "\n".join(lines)

    @property
    def json(self) -> str:
        """A JSON object with `versions` and `findings`."""
        return json.dumps(
            {"versions": dict(self.versions), "findings": [asdict(finding) for finding in self.findings]}, indent=2
        )

    @property
    def _installed(self) -> str:
        return ", ".join(f"{package} {version}" for package, version in self.versions.items() if version is not None)

    def _repr_html_(self) -> str:
        """Return a table for a notebook."""
        rows = "".join(
            f"<tr><td>{_MARKS[found.level]}</td><td>{escape(found.subject)}</td>"
            f'<td style="text-align:left">{escape(found.text)}</td></tr>'
            for found in self.findings
        )
        return f"<p>{escape(self._installed)}</p><table>{rows}</table>"

    def __str__(self) -> str:
        """Return the plain text."""
        return self.text


def doctor() -> Diagnosis:
    """Check the environment, and what the code of this process has set up: `instrument`, `autolog`, MLflow's URI.

    Returns:
        The findings; a notebook shows them as a table.
    """
    from otel_dspy.diagnosis.checks.all_checks import examine  # noqa: PLC0415 - a second, needed here only
    from otel_dspy.diagnosis.checks.installed_packages import versions  # noqa: PLC0415 - the same
    from otel_dspy.diagnosis.checks.running_process import in_effect, process  # noqa: PLC0415 - the same

    return Diagnosis(versions(), (*process(), *examine(in_effect(os.environ))))
