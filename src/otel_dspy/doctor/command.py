"""`otel-dspy doctor`: asks, prints, and gives a status that a script can use."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING, Final

from otel_dspy.doctor.configured import configured
from otel_dspy.doctor.destinations import destinations
from otel_dspy.doctor.finding import Level
from otel_dspy.doctor.installed import installed, versions

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping

    from otel_dspy.doctor.finding import Finding

_MARKS: Final = {Level.OK: "ok", Level.NOTE: "--", Level.WARNING: "!!", Level.PROBLEM: "XX"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument("--json", action="store_true", help="print what was found as a JSON object")


def examine(environment: Mapping[str, str]) -> list[Finding]:
    """Everything that is found in that environment."""
    return list(chain(installed(environment), configured(environment), destinations(environment)))


def run(chosen: argparse.Namespace, say: Callable[[str], None]) -> int:
    """Examine and say; the exit status: 0 where nothing stands in the way, 1 where there is a problem."""
    found = examine(os.environ)
    if chosen.json:
        say(json.dumps({"versions": versions(), "findings": [asdict(finding) for finding in found]}, indent=2))
    else:
        say(", ".join(f"{package} {version}" for package, version in versions().items() if version is not None))
        width = max(len(finding.subject) for finding in found)
        for finding in found:
            say(f"{_MARKS[finding.level]} {finding.subject:<{width}}  {finding.text}")
    return int(any(finding.level is Level.PROBLEM for finding in found))
