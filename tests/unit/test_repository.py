"""What is committed holds on any machine: no host of a registry, no path of a machine, no unpinned requirement."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

MACHINE_PATH = re.compile(r"(?<![\w.}/])/(?:tmp|root|home|work|opt|Users)/\w")
REGISTRY_HOST = re.compile(
    r"pypi\.(?:org|python)|pythonhosted|--(?:extra-)?index-url [^$]|registry\.npmjs|index\.crates"
)
SECRET = re.compile(r"\bsk-[A-Za-z0-9]{20,}|\bghp_[A-Za-z0-9]{30,}|AKIA[A-Z0-9]{16}|-----BEGIN [A-Z ]*PRIVATE KEY")
VAGUE_NAME = re.compile(r"(?:^|/)_?(?:utils?|helpers?|common|misc)(?:\.py$|/)")


def _tracked() -> list[Path]:
    """The files under version control that are there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize(
    ("pattern", "exempt"),
    [
        (MACHINE_PATH, [Path(__file__)]),
        (REGISTRY_HOST, [Path(__file__)]),
        # Tests hold made-up keys to prove that keys never leave.
        (SECRET, [*(ROOT / "tests").rglob("*.py")]),
    ],
    ids=["machine path", "registry", "secret"],
)
def test_no_tracked_file_carries_what_belongs_to_one_machine(pattern: re.Pattern[str], exempt: list[Path]) -> None:
    """No text file names a registry's host, a path of somebody's machine or something that looks like a key."""
    files = _tracked()
    assert len(files) > 50
    texts = {path: path.read_text(encoding="utf-8", errors="ignore") for path in {*files} - {*exempt}}
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}"
        for path, text in texts.items()
        if pattern.search(text)  # what is found in a line is found in the text
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]
    assert found == []


def test_no_link_is_tracked() -> None:
    """A link of a working copy, as to tools that several share, points to itself or to nothing elsewhere."""
    listed = subprocess.run(["git", "ls-files", "-s"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert [line for line in listed.stdout.splitlines() if line.startswith("120000")] == []


def test_every_file_name_states_the_purpose_of_the_file() -> None:
    """No module hides its job behind a name such as utils or common."""
    assert [str(path) for path in _tracked() if VAGUE_NAME.search(str(path.relative_to(ROOT)))] == []


@pytest.mark.parametrize("name", ["audit", "demo", "dev", "mutants", "others", "phoenix", "uv"])
def test_the_pins_are_names_versions_and_hashes_alone(name: str) -> None:
    """Each line pins one version exactly or gives a hash; every pin has one at least."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    pins = text.replace("\\\n", "").splitlines()
    pin = re.compile(r"[a-z0-9.-]+==\S+(?: ; [^-]+)?(?:\s+--hash=sha256:[0-9a-f]{64})+")
    assert pins
    assert [line for line in pins if not pin.fullmatch(line)] == []


def test_kafkas_artifacts_have_checksums() -> None:
    """Each artifact that the POM names is pinned in that version, by name and SHA-256; so is all that Maven adds."""
    folder = ROOT / "requirements" / "kafka"
    lines = (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"[0-9a-f]{64}  [\w.-]+\.jar", line)] == []
    dependencies = (folder / "pom.xml").read_text(encoding="utf-8").partition("<build>")[0]
    named = re.findall(r"<artifactId>([\w.-]+)</artifactId>\s*<version>(\d[\d.]+\d)</version>", dependencies)
    assert len(named) == 3
    assert {f"{name}-{version}.jar" for name, version in named} <= {line.split()[1] for line in lines}


def test_the_demo_runs_on_the_versions_that_the_tests_run_on() -> None:
    """Every pin of demo.txt stands in dev.txt in the same version, so one environment serves both."""
    pins = {
        name: {
            line.split(" \\")[0].split(" ; ")[0]
            for line in (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").splitlines()
            if not line.startswith(" ")
        }
        for name in ("demo", "dev")
    }
    assert pins["demo"] - pins["dev"] == set()


def test_only_what_exists_as_nothing_else_is_pinned_as_a_pre_release() -> None:
    """The pre-releases among the pins are OpenTelemetry's, which has no final release of those packages."""
    text = (ROOT / "requirements" / "dev.txt").read_text(encoding="utf-8")
    found = re.findall(r"^(\S+)==\S*?\d(?:a|b|rc|\.dev)\d+", text, re.MULTILINE)
    assert [name for name in found if not name.startswith("opentelemetry-")] == []
