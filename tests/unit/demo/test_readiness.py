from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from inline_snapshot import snapshot

from otel_dspy.demo import readiness
from otel_dspy.demo.readiness import DemoCannotRunError, Package, available_memory, check_memory, check_packages

if TYPE_CHECKING:
    from pathlib import Path


def test_everything_is_installed_where_the_tests_run() -> None:
    """The names of the modules are right: nothing is missing in the development environment."""
    check_packages(local_model=True)


def test_missing_packages_are_named_with_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """The text names what is missing, each command once, and the way around the local model."""
    monkeypatch.setattr(
        readiness, "ALWAYS_NEEDED", (Package("nowhere_a", "pip install a"), Package("nowhere_b.c", "pip install a"))
    )
    monkeypatch.setattr(readiness, "LOCAL_MODEL_NEEDS", (Package("nowhere_d", "pip install --no-deps d"),))
    with pytest.raises(DemoCannotRunError) as raised:
        check_packages(local_model=True)
    assert str(raised.value) == snapshot("""\
The demo needs packages that are missing: nowhere_a, nowhere_b.c, nowhere_d. Install them:
  pip install a
  pip install --no-deps d
Or use another model: otel-dspy demo --lm openai/gpt-4o-mini (its key comes from the environment).\
""")
    with pytest.raises(DemoCannotRunError) as raised:
        check_packages(local_model=False)
    assert "nowhere_d" not in str(raised.value)
    assert "--lm" not in str(raised.value)


def test_too_little_memory_is_reported_before_the_model_starts(tmp_path: Path) -> None:
    """The text lists what is needed and what there is, in gigabytes, and what to do."""
    with pytest.raises(DemoCannotRunError) as raised:
        check_memory(meminfo_of(tmp_path, kibibytes=900_000))
    assert str(raised.value) == snapshot(
        "The demo's local model needs about 1.5 GB of memory, and 0.9 GB are available. "
        "Close something, or use another model: otel-dspy demo --lm openai/gpt-4o-mini"
    )


def test_enough_memory_passes(tmp_path: Path) -> None:
    """What counts is what is available, not what is free."""
    meminfo = meminfo_of(tmp_path, kibibytes=4_000_000)
    assert available_memory(meminfo) == 4_000_000 * 1024
    check_memory(meminfo)


def meminfo_of(folder: Path, *, kibibytes: int) -> Path:
    """Write a file as Linux's /proc/meminfo, with so much memory available."""
    meminfo = folder / "meminfo"
    meminfo.write_text(f"MemTotal: 99999999 kB\nMemFree: 1 kB\nMemAvailable:   {kibibytes} kB\n")
    return meminfo


def test_a_system_without_memory_information_is_accepted(tmp_path: Path) -> None:
    """Without Linux's file the demo is let go on."""
    assert available_memory(tmp_path / "none") is None
    check_memory(tmp_path / "none")
