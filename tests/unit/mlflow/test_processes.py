"""Whether a run's processes are gone: said only where it is certain."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from otel_dspy.mlflow.tracking import processes

LINUX = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
OURS = processes.process(os.getpid())


def _ended() -> str:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        return processes.process(child.pid)


def test_a_living_process_is_there() -> None:
    """This one, its parent, and one that belongs to somebody else."""
    assert not processes.gone(OURS)
    assert not processes.gone(processes.process(os.getppid()))
    assert not processes.gone("1")


def test_a_process_that_ended_is_gone() -> None:
    """By its id and start, and by its id alone."""
    ended = _ended()
    assert processes.gone(ended)
    assert processes.gone(ended.partition("@")[0])


def test_one_of_several_that_lives_is_enough() -> None:
    """A forked child's run is left behind only when its parent is gone as well."""
    ended = _ended()
    assert not processes.gone(f"{OURS} {ended}")
    assert not processes.gone(f"{ended} {OURS}")
    assert processes.gone(f"{ended} {ended}")


@LINUX
def test_an_id_that_was_given_again_is_another_process() -> None:
    """This process' id with another start is a process that is gone."""
    assert processes.gone(f"{os.getpid()}@1")


@LINUX
def test_a_zombie_is_gone() -> None:
    """A process that has ended and that its parent has not asked after."""
    child = os.fork()
    if child == 0:
        os._exit(0)
    try:
        found = processes.process(child)
        deadline = time.monotonic() + 10
        while not processes.gone(found):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        os.waitpid(child, 0)


@pytest.mark.parametrize("odd", ["", " ", "0", "-1", "x", "x@1", "0@0", "@", "99999999999999999999"])
def test_what_is_no_process_is_left_alone(odd: str) -> None:
    """Nothing can be said of it."""
    assert not processes.gone(odd)


def test_a_forked_child_names_its_parent_too() -> None:
    """Either may end what was begun before the fork."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, processes.own_tags()[processes.PROCESSES_TAG].encode())
        os._exit(0)
    os.waitpid(child, 0)
    told = os.read(reader, 1000).decode().split()
    os.close(reader)
    os.close(writer)
    own = processes.own_tags()
    assert told[:-1] == own[processes.PROCESSES_TAG].split()
    assert told[-1].partition("@")[0] == str(child)
    assert own[processes.HOST_TAG] == processes.host()
