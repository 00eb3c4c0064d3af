"""Imports below the delivery's calls of MLflow: none that fails is repeated, and none waits for MLflow's import hooks."""

from __future__ import annotations

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest
from mlflow.utils import import_hooks

from tests.chaos.twins import DELIVERY, exporting_to, optimize
from tests.integration.mlflow.test_compile import emit_compile
from tests.support.blank_store import blank_store

if TYPE_CHECKING:
    from collections.abc import Generator
    from importlib.machinery import ModuleSpec
    from pathlib import Path

    from otel_dspy.mlflow import MlflowSpanProcessor
    from tests.integration.mlflow.conftest import CallContext


class Finder:
    """A finder of `sys.meta_path` that finds nothing and records what otel-dspy's threads look for."""

    def __init__(self) -> None:
        self.looked_for: set[tuple[str, str]] = set()
        """Name of the thread, name of the module."""

    def find_spec(self, name: str, _path: object = None, _target: object = None) -> ModuleSpec | None:
        """Record."""
        thread = threading.current_thread().name
        if thread.startswith("otel-dspy"):
            self.looked_for.add((thread, name))
        return None


@contextmanager
def recorded_imports() -> Generator[Finder]:
    """The imports of modules that are not loaded while the block lasts."""
    finder = Finder()
    sys.meta_path.insert(0, cast("Any", finder))
    try:
        yield finder
    finally:
        sys.meta_path.remove(cast("Any", finder))


def record_one(uri: str) -> None:
    """Record an optimization, by a processor and connections of its own."""
    with exporting_to(uri) as (processor,):
        optimize(1)
        assert processor.force_flush(DELIVERY)
        await_reports(processor)


def await_reports(processor: MlflowSpanProcessor) -> None:
    """Wait for the reports, however long their first imports take."""
    processor.wait_for_reports(DELIVERY / 1000)
    for thread in threading.enumerate():
        if thread.name == "otel-dspy-report":
            thread.join(DELIVERY / 1000)


@pytest.mark.parametrize("kind", ["server", "sqlite"])
def test_no_import_is_repeated(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MLflow looks for a Databricks environment at each request and in each new connection, by imports that fail.

    The first delivery of a process loads what MLflow imports lazily, and its report. After it the delivery's threads look
    for no module.
    """
    monkeypatch.setenv("OTEL_DSPY_REPORT", "true")
    uri = request.getfixturevalue("server").uri if kind == "server" else blank_store(tmp_path)
    record_one(uri)
    with recorded_imports() as finder:
        record_one(uri)
    assert finder.looked_for == set()


def test_delivery_does_not_wait_for_mlflows_import_hooks(place: CallContext) -> None:
    """MLflow calls the hooks of its autologging while it holds the lock of its finder; they may take seconds."""
    emit_compile(place.emitter("a" * 32))
    place.read()
    await_reports(*place.processors)
    emitter = place.emitter("b" * 32)
    delivered: list[bool] = []

    def hook(_module: object) -> None:
        emit_compile(emitter)
        delivered.append(place.processors[-1].force_flush(DELIVERY))

    cast("Any", import_hooks).register_post_import_hook(hook, "json")
    assert delivered == [True]
