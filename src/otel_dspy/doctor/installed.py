"""What is installed: versions, and others who instrument DSPy or its language models."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import TYPE_CHECKING, Final

from opentelemetry.instrumentation.dependencies import get_dependency_conflicts

from otel_dspy.doctor.finding import Finding, Level
from otel_dspy.package import INSTRUMENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PACKAGES: Final = (
    "otel-dspy",
    "dspy",
    "mlflow",
    "opentelemetry-api",
    "opentelemetry-sdk",
    "opentelemetry-exporter-otlp",
    "opentelemetry-util-genai",
    "opentelemetry-distro",
)
_INSTRUMENTORS: Final = "opentelemetry_instrumentor"
"""Entry point group of the instrumentations that `opentelemetry-instrument` switches on."""
_OURS: Final = "otel_dspy"
DISABLED: Final = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
_ALSO_DSPY: Final = ("dspy",)
_BELOW_DSPY: Final = ("litellm", "openai", "anthropic")


def versions() -> dict[str, str | None]:
    """Package to its version, None where it is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def installed(environment: Mapping[str, str]) -> Iterator[Finding]:
    """What is there, what is missing, and who else listens."""
    found = versions()
    conflict = get_dependency_conflicts(INSTRUMENTS)
    if conflict is None:
        yield Finding("dspy", Level.OK, f"DSPy {found['dspy']}")
    elif conflict.found is None:
        yield Finding("dspy", Level.PROBLEM, f"DSPy is not installed: pip install '{conflict.required}'")
    else:
        yield Finding(
            "dspy", Level.PROBLEM, f"{conflict.found} is not understood; otel-dspy instruments {conflict.required}"
        )
    if found["opentelemetry-sdk"] is None:
        yield Finding(
            "opentelemetry", Level.PROBLEM, "without opentelemetry-sdk no span is kept: pip install opentelemetry-sdk"
        )
    if found["mlflow"] is None:
        yield Finding("mlflow", Level.NOTE, "MLflow is not installed: spans can go to any OTLP backend, not to MLflow")
    else:
        yield Finding("mlflow", Level.OK, f"MLflow {found['mlflow']}")
    yield from _instrumentations(environment)


def _instrumentations(environment: Mapping[str, str]) -> Iterator[Finding]:
    disabled = {name.strip() for name in environment.get(DISABLED, "").split(",")}
    if disabled & {_OURS, "*"}:
        yield Finding(
            "instrumentation", Level.WARNING, f"{DISABLED} switches otel-dspy off for opentelemetry-instrument"
        )
    for point in metadata.entry_points(group=_INSTRUMENTORS):
        if point.name == _OURS or disabled & {point.name, "*"}:
            continue
        if any(word in point.name.lower() for word in _ALSO_DSPY):
            yield Finding(
                "instrumentation",
                Level.WARNING,
                f"{point.value.split(':')[0]} instruments DSPy too: otel-dspy adds what it knows to its spans of "
                f"models and tools and makes none. Or switch it off: {DISABLED}={point.name}",
            )
        elif any(word in point.name.lower() for word in _BELOW_DSPY):
            yield Finding(
                "instrumentation",
                Level.NOTE,
                f"{point.value.split(':')[0]} tells of the calls below DSPy's; its spans stand inside ours",
            )
