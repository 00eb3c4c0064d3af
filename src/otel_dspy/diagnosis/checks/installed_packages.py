"""Checks of installed packages: versions, and other instrumentations of DSPy or its language models."""

from __future__ import annotations

import platform
from importlib import metadata
from typing import TYPE_CHECKING, Final

from opentelemetry.instrumentation.dependencies import get_dependency_conflicts

from otel_dspy.diagnosis.finding import Finding, Level
from otel_dspy.environment.home_folder import home_folder
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
"""Entry point group of the instrumentations that `opentelemetry-instrument` loads."""
_OURS: Final = "otel_dspy"
_OUR_DISTRIBUTION: Final = "otel-dspy"
_FOR_MLFLOW: Final = "extra == 'mlflow'"
DISABLED: Final = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
_ALSO_DSPY: Final = ("dspy",)
_BELOW_DSPY: Final = ("litellm", "openai", "anthropic")


def versions() -> dict[str, str | None]:
    """Return the version of each package; None if it is not installed."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    return found


def installed(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Check installed packages and other instrumentations."""
    found = versions()
    conflict = get_dependency_conflicts(INSTRUMENTS)
    if conflict is None:
        yield Finding("dspy", Level.OK, f"DSPy {found['dspy']}")
    elif conflict.found is None:
        yield Finding("dspy", Level.PROBLEM, f"DSPy is not installed: pip install '{conflict.required}'")
    else:
        yield Finding(
            "dspy", Level.PROBLEM, f"{conflict.found} is not supported; otel-dspy requires {conflict.required}"
        )
    if found["opentelemetry-sdk"] is None:
        yield Finding(
            "opentelemetry",
            Level.PROBLEM,
            "opentelemetry-sdk is not installed, so no span is recorded: pip install opentelemetry-sdk",
        )
    if found["mlflow"] is None:
        yield Finding("mlflow", Level.NOTE, "MLflow is not installed: spans can go to any OTLP backend, not to MLflow")
    elif home_folder() is None:
        yield Finding(
            "mlflow",
            Level.PROBLEM,
            f"MLflow {found['mlflow']} cannot be imported: this user has no home directory. Set HOME to a folder",
        )
    else:
        unsupported = list(_unsupported_beside_mlflow())
        yield from unsupported
        if not any(finding.subject == "mlflow" for finding in unsupported):
            yield Finding("mlflow", Level.OK, f"MLflow {found['mlflow']}")
    yield from _instrumentations(environment)


def _unsupported_beside_mlflow() -> Iterator[Finding]:
    """Find installed packages whose version the extra `mlflow` excludes, as pip leaves them without the extra."""
    try:
        requirements = metadata.requires(_OUR_DISTRIBUTION) or []
    except metadata.PackageNotFoundError:  # run from a folder of sources
        return
    for requirement in requirements:
        required, _, marker = (part.strip() for part in requirement.partition(";"))
        conflict = get_dependency_conflicts((required,)) if marker.replace('"', "'") == _FOR_MLFLOW else None
        if conflict is not None and conflict.found is not None:
            package = conflict.found.partition(" ")[0]
            subject = package.partition("-")[0]
            yield Finding(subject, Level.PROBLEM, f"{conflict.found} is not supported; otel-dspy requires {required}")


def _instrumentations(environment: Mapping[str, str]) -> Iterator[Finding]:
    disabled = {name.strip() for name in environment.get(DISABLED, "").split(",")}
    if disabled & {_OURS, "*"}:
        yield Finding("instrumentation", Level.WARNING, f"{DISABLED} disables otel-dspy under opentelemetry-instrument")
    for point in metadata.entry_points(group=_INSTRUMENTORS):
        if point.name == _OURS or disabled & {point.name, "*"}:
            continue
        if any(word in point.name.lower() for word in _ALSO_DSPY):
            yield Finding(
                "instrumentation",
                Level.WARNING,
                f"{point.value.split(':')[0]} also instruments DSPy: otel-dspy adds its attributes to the model and "
                f"tool spans of that instrumentation and creates none. To disable it, set {DISABLED}={point.name}",
            )
        elif any(word in point.name.lower() for word in _BELOW_DSPY):
            yield Finding(
                "instrumentation",
                Level.NOTE,
                f"{point.value.split(':')[0]} instruments the calls below DSPy; its spans are children of otel-dspy's",
            )
