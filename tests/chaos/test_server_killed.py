"""A server killed with SIGKILL and restarted while an optimization runs: the result in MLflow is the same."""

from __future__ import annotations

import logging
import os
import random
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.chaos.twins import DELIVERY, differences, exporting_to, optimize, record, traces_in
from tests.support.mlflow_server import READY_TIMEOUT, free_port, mlflow_server

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


class Mortal:
    """A server that dies and comes back, on the same port, with the same files."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.folder = folder

    def live(self, *, until: Callable[[], object]) -> None:
        """One life: from start to `kill -9`."""
        with mlflow_server(self.folder, port=self.port) as server:
            until()
            os.killpg(server.group, signal.SIGKILL)


def run_with_deaths(lives: list[float], folder: Path, reference: str, *, trials: int, pause: float) -> dict[str, Any]:
    """Optimize while a server lives these lives (seconds each) and a last one in which all is delivered; its record."""
    mortal = Mortal(folder)
    last, finished, delivered = threading.Event(), threading.Event(), threading.Event()
    broken: list[BaseException] = []

    def fate() -> None:
        try:
            for seconds in lives:
                mortal.live(until=lambda seconds=seconds: time.sleep(seconds))
            mortal.live(until=lambda: (last.set(), finished.wait(), delivered.wait()))
        except BaseException as error:  # raised in the test's own thread
            broken.append(error)
            raise

    thread = threading.Thread(target=fate, daemon=True)
    thread.start()
    try:
        with exporting_to(reference, mortal.uri) as processors:
            optimize(trials, pause)
            finished.set()
            # Every life but the first may begin after the end of the optimization, and may take as long as a start may.
            patience = DELIVERY + int(len(lives) * READY_TIMEOUT * 1000)
            for processor in processors:
                assert processor.force_flush(patience)
                assert processor.lost == 0
        # All may be delivered in an earlier life, at the end of which the record could not be read.
        assert last.wait(patience / 1000)
        found = record(mortal.uri)
    finally:
        finished.set()
        delivered.set()
        thread.join(60)
    assert broken == []
    return found


def assert_twins(found: dict[str, Any], reference: str, trials: int) -> None:
    """Both hold the same, and it is all there."""
    expected = record(reference)
    assert differences(found, expected) == []
    (parent,) = expected["runs"]
    assert [child["name"] for child in parent["children"] if child["name"].startswith("trial")][-1].startswith(
        f"trial {trials}"
    )
    assert traces_in(parent) >= (trials + 1) * 4


def test_one_death_at_a_random_moment(
    tmp_path: Path, store: str, spool: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Down when the optimization begins, up, killed in its middle, up again: nothing lost, nothing twice, one word."""
    seconds = random.Random(20).uniform(1, 5)  # noqa: S311 - chance, no secret
    with caplog.at_level(logging.WARNING, "otel_dspy"):
        found = run_with_deaths([seconds], tmp_path / "server", store, trials=8, pause=0.25)
    assert_twins(found, store, 8)
    assert 1 <= caplog.text.count("is unavailable; retrying") <= 3
    assert list(spool.glob("*")) == []


@pytest.mark.slow
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_many_deaths_at_random_moments(seed: int, tmp_path: Path, store: str, spool: Path) -> None:
    """The same with five deaths, some of them in the middle of a request."""
    chance = random.Random(seed)  # noqa: S311 - the same
    lives = [chance.uniform(0.2, 6) for _ in range(5)]
    found = run_with_deaths(lives, tmp_path / "server", store, trials=20, pause=0.4)
    assert_twins(found, store, 20)
    assert list(spool.glob("*")) == []
