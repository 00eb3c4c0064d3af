"""What the integration tests share: the wheel, as a user gets it."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from otel_dspy.mlflow.tracking.runs import run_reports
from tests.support.temporary_folders import ON_DISK
from tests.support.waiting import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session", autouse=True)
def _patient() -> Generator[None]:
    """A flush waits for reports as long as they take: on a loaded machine that is longer than a user's program waits."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("MAX_WAIT", "MAX_WAIT_IF_STOPPED"):
            patched.setattr(run_reports, name, PATIENCE)
        yield


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the tree as it stands."""
    folder = tmp_path_factory.mktemp("wheel")
    build = "import sys, hatchling.build; print(hatchling.build.build_wheel(sys.argv[1]))"
    result = subprocess.run(
        [sys.executable, "-c", build, str(folder)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return folder / result.stdout.split()[-1]


@pytest.fixture
def disk_path() -> Generator[Path]:
    """An empty folder for an environment: installers link files of their cache, which is on the disk, into it."""
    with tempfile.TemporaryDirectory(prefix="otel-dspy-tests-", dir=ON_DISK) as folder:
        yield Path(folder)
