"""Detection of exited processes: positive only if certain."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from otel_dspy.mlflow.tracking.state import process_identity
from tests.support.waiting import awaited

LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")


def _ours() -> str:
    return process_identity.process(os.getpid())


def _ended() -> str:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        return process_identity.process(child.pid)


def test_a_living_process_is_there() -> None:
    """This one, its parent, and one that belongs to somebody else."""
    assert not process_identity.have_exited(_ours())
    assert not process_identity.have_exited(process_identity.process(os.getppid()))
    assert not process_identity.have_exited("1")


def test_a_process_that_ended_is_gone() -> None:
    """By its id and start, and by its id alone."""
    ended = _ended()
    assert process_identity.have_exited(ended)
    assert process_identity.have_exited(ended.partition("@")[0])


def test_one_of_several_that_lives_is_enough() -> None:
    """A forked child's run is stale only if its parent has exited as well."""
    ended = _ended()
    assert not process_identity.have_exited(f"{_ours()} {ended}")
    assert not process_identity.have_exited(f"{ended} {_ours()}")
    assert process_identity.have_exited(f"{ended} {ended}")


@LINUX
def test_an_id_that_was_given_again_is_another_process() -> None:
    """This process' id with another start time belongs to an exited process."""
    assert process_identity.have_exited(f"{os.getpid()}@1")


@LINUX
def test_a_process_of_an_earlier_boot_is_gone() -> None:
    """The same id and start time after a reboot belong to another process."""
    pid, start, boot = _ours().split("@")
    assert boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert process_identity.have_exited(f"{pid}@{start}@another-boot")
    assert not process_identity.have_exited(f"{pid}@{start}")


@pytest.mark.parametrize(
    ("namespace", "machine", "known"),
    [
        ("pid:[4026531836]", "3d1219c7c4c5404aaa1f6d2a48adfda4\n", True),
        ("pid:[4026531836]", "", False),
        ("pid:[4026531836]", None, False),
        ("pid:[4026532345]", "3d1219c7c4c5404aaa1f6d2a48adfda4\n", False),
    ],
)
def test_a_machine_is_the_same_host_after_a_boot(
    namespace: str, machine: str | None, *, known: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where it has an id of its own; a container, whose image may bring one along, is another host."""
    (tmp_path / "namespace").symlink_to(namespace)
    if machine is not None:
        (tmp_path / "machine").write_text(machine)
    for name in ("namespace", "machine", "boot"):
        monkeypatch.setattr(process_identity, f"_{name.upper()}", tmp_path / name)
    (tmp_path / "boot").write_text("first\n")
    before = process_identity.host()
    assert before == process_identity.host()
    (tmp_path / "boot").write_text("second\n")
    assert (process_identity.host() == before) is known
    assert not machine or machine.strip() not in before


@LINUX
def test_a_zombie_is_gone() -> None:
    """A process that has exited and was not reaped by its parent."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    try:
        found = process_identity.process(child)
        awaited(lambda: process_identity.have_exited(found), "its end")
    finally:
        os.waitpid(child, 0)


@pytest.mark.parametrize("odd", ["", " ", "0", "-1", "x", "x@1", "0@0", "@", "99999999999999999999"])
def test_what_is_no_process_is_left_alone(odd: str) -> None:
    """A malformed value is never treated as exited."""
    assert not process_identity.have_exited(odd)


def test_a_forked_child_names_its_parent_too() -> None:
    """Either may end what was begun before the fork."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, process_identity.own_tags()[process_identity.PROCESSES_TAG].encode())
        os._exit(0)
    os.waitpid(child, 0)
    recorded = os.read(reader, 1000).decode().split()
    os.close(reader)
    os.close(writer)
    own = process_identity.own_tags()
    assert recorded[:-1] == own[process_identity.PROCESSES_TAG].split()
    assert recorded[-1].partition("@")[0] == str(child)
    assert own[process_identity.HOST_TAG] == process_identity.host()
