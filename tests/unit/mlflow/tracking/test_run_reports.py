"""When reports on optimizations are written, and that a failure of one has no further effect."""

from __future__ import annotations

import gc
import threading
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest
from typing_extensions import override

from otel_dspy.environment.variable_names import REPORT
from otel_dspy.mlflow.mapping.naming import DESCRIPTION
from otel_dspy.mlflow.records.route import Destination, Experiment
from otel_dspy.mlflow.tracking.runs import report_observers, report_writer, run_reports
from otel_dspy.mlflow.tracking.runs.run_reports import RunReports
from otel_dspy.mlflow.tracking.store.experiment_connection import Connection
from otel_dspy.mlflow.tracking.store.store import RunHandle
from otel_dspy.reporting import report as reporting
from otel_dspy.reporting import run_description
from tests.support.waiting import awaited

RUN = RunHandle("a" * 32, "file:///nowhere")
CONNECTION = Connection(Destination("sqlite:////nowhere.db", Experiment(name="E")))


@dataclass(frozen=True)
class Slow:
    """Reports of which each waits until it is released."""

    written: list[str]
    begun: threading.Event
    release: threading.Event
    pages: list[bool]
    """Whether each is a page, or a description alone."""


@pytest.fixture
def slowly_written(monkeypatch: pytest.MonkeyPatch) -> Slow:
    """Reports are switched on, and due at once while a compile runs."""
    slow = Slow([], threading.Event(), threading.Event(), [])
    monkeypatch.delenv(REPORT)
    monkeypatch.setattr(run_reports, "EVERY", 0.0)
    monkeypatch.setattr(run_reports, "MAX_WAIT", 60.0)

    def write(request: Any, _ended: object) -> None:
        slow.begun.set()
        assert slow.release.wait(60)
        slow.written.append(request.run.run_id)
        slow.pages.append(request.page)

    monkeypatch.setattr(report_writer, "write", write)
    return slow


@pytest.fixture
def written(slowly_written: Slow) -> list[str]:
    """Ids of the runs on which a report was written, without waiting."""
    slowly_written.release.set()
    return slowly_written.written


@pytest.mark.parametrize("ended", [True, False])
def test_a_request_is_written_when_started(written: list[str], *, ended: bool) -> None:
    """Several for a run are one; nothing is written before `start`."""
    reports = RunReports()
    for _ in range(3):
        reports.request(CONNECTION, RUN, ended=ended)
    assert written == []
    reports.start()
    awaited(lambda: written, "the report")
    reports.wait(60)
    assert written == [RUN.run_id]


def test_reports_in_progress_pause(slowly_written: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the first interval is over there are descriptions alone, at intervals too; the end is always reported."""
    monkeypatch.setattr(run_reports, "EVERY", 3600.0)
    monkeypatch.setattr(run_reports, "DESCRIBE_EVERY", 3600.0)
    slowly_written.release.set()
    reports = RunReports()
    for expected in ([False], [False]):
        reports.request(CONNECTION, RUN, ended=False)
        reports.start()
        awaited(
            lambda expected=expected: slowly_written.pages == expected and not reports.is_writing, "the description"
        )
    monkeypatch.setattr(run_reports, "DESCRIBE_EVERY", 0.0)
    reports.request(CONNECTION, RUN, ended=True)
    reports.request(CONNECTION, RUN, ended=False)
    reports.start()
    reports.wait(60)
    assert slowly_written.pages == [False, True]


def test_a_phase_is_described_at_once(written: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever the last description was written; a page that is due includes it."""
    monkeypatch.setattr(run_reports, "EVERY", 3600.0)
    reports = RunReports()
    for number in (1, 2):
        reports.describe(CONNECTION, RUN)
        reports.start()
        awaited(lambda number=number: len(written) == number and not reports.is_writing, "the description")
    reports.request(CONNECTION, RUN, ended=True)
    reports.describe(CONNECTION, RUN)
    reports.start()
    reports.wait(60)
    assert len(written) == 3


def test_a_flush_does_not_wait_for_a_report_in_progress(slowly_written: Slow) -> None:
    """Only for those of compiles that have ended."""
    reports = RunReports()
    reports.request(CONNECTION, RUN, ended=False)
    reports.start()
    assert slowly_written.begun.wait(60)
    reports.wait(60)
    assert slowly_written.written == []
    reports.request(CONNECTION, RUN, ended=True)
    reports.start()
    slowly_written.release.set()
    reports.wait(60)
    assert slowly_written.written == [RUN.run_id, RUN.run_id]


def test_a_report_on_a_stopped_compile_is_waited_for_briefly(
    slowly_written: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program that was interrupted waits for its report too, but ends soon if it takes long."""
    reports = RunReports()
    reports.request(CONNECTION, RUN, ended=True, stopped=True)
    reports.start()
    monkeypatch.setattr(run_reports, "MAX_WAIT_IF_STOPPED", 0.0)
    reports.wait(60)
    assert slowly_written.written == []
    monkeypatch.setattr(run_reports, "MAX_WAIT_IF_STOPPED", 60.0)
    slowly_written.release.set()
    reports.wait(60)
    assert slowly_written.written == [RUN.run_id]


def test_a_report_that_is_given_up_at_the_exit_is_logged(
    slowly_written: Slow, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Once, with the command; a flush gives none up."""
    caplog.set_level("INFO", logger="otel_dspy")
    monkeypatch.setattr(run_reports, "MAX_WAIT", 0.0)
    reports = RunReports()
    reports.request(CONNECTION, RUN, ended=True)
    reports.start()
    reports.wait(60)
    assert caplog.messages == []
    reports.wait(60, exits=True)
    run_id = RUN.run_id
    expected = f"The report on run {run_id} is not written: the process ends before it is ready; `otel-dspy report {run_id}` computes it"
    assert caplog.messages == [expected]
    slowly_written.release.set()
    awaited(lambda: not reports.is_writing, "the report")
    reports.wait(60, exits=True)
    assert len(caplog.messages) == 1


def test_a_description_in_progress_does_not_outlast_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is written while the compile ends is replaced again; one of the user's is not."""
    monkeypatch.delenv(REPORT)
    store = _DescribedStore()

    def opened(_connection: Connection) -> _DescribedStore:
        return store

    def described(_uri: str, run_id: str) -> str:
        # The compile ends meanwhile.
        found = reports.ended_tags(CONNECTION, RUN, "**It finished**")
        assert found[DESCRIPTION] == f"**It finished**\n\nReport: `otel-dspy report {run_id}`"
        return "so far: 2 of 4 trials"

    monkeypatch.setattr(Connection, "store", opened)
    monkeypatch.setattr(run_description, "describe_running", described)
    reports = RunReports()
    reports.describe(CONNECTION, RUN)
    reports.start()
    awaited(lambda: not reports.is_writing, "the description")
    first_lines = [text.splitlines()[0] for text in store.descriptions]
    assert first_lines == ["so far: 2 of 4 trials", "**It finished**"]
    store.tags[DESCRIPTION] = "Mine."
    assert reports.ended_tags(CONNECTION, RUN, "**It finished**") == {}


def test_an_ended_compile_is_not_described_without_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is its run read."""
    monkeypatch.setenv(REPORT, "false")
    assert RunReports().ended_tags(CONNECTION, RUN, "**It finished**") == {}


@pytest.mark.usefixtures("written")
def test_a_failure_is_given_up(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """There is no such store: one DEBUG line, nothing raised, nothing above it in the log."""
    monkeypatch.undo()
    monkeypatch.setenv(REPORT, "true")
    caplog.set_level("DEBUG", logger="otel_dspy")
    reports = RunReports()
    reports.request(CONNECTION, RUN, ended=True)
    reports.start()
    reports.wait(60)
    [message] = [record.getMessage() for record in caplog.records]
    assert message.startswith(f"The report on run {RUN.run_id} is not written: There is no MLflow store at")


@pytest.mark.parametrize("value", ["false", "0", " OFF "])
def test_it_can_be_switched_off(written: list[str], monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """By the environment variable."""
    monkeypatch.setenv(REPORT, value)
    reports = RunReports()
    reports.request(CONNECTION, RUN, ended=True)
    reports.start()
    reports.wait(60)
    assert written == []


class _Observer:
    def __init__(self) -> None:
        self.received: list[tuple[str, str | None]] = []

    def report_written(self, compile_id: str, verdict: str | None) -> None:
        self.received.append((compile_id, verdict))


class _Store:
    """A store of one run."""

    def __init__(self) -> None:
        self.artifacts = SimpleNamespace(write_text=self.log_run)

    def run_tags(self, _run_id: str) -> dict[str, str]:
        return {}

    def log_run(self, *_arguments: object) -> None:
        pass


class _DescribedStore(_Store):
    """The same, with the tags of its run."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: dict[str, str] = {}
        self.descriptions: list[str] = []

    @override
    def run_tags(self, _run_id: str) -> dict[str, str]:
        return self.tags

    @override
    def log_run(self, *_arguments: object) -> None:
        tags = cast("dict[str, str]", _arguments[-1])
        self.tags |= tags
        self.descriptions.append(tags[DESCRIPTION])


@pytest.mark.parametrize("readable", [True, False])
def test_the_verdict_is_passed_on(monkeypatch: pytest.MonkeyPatch, *, readable: bool) -> None:
    """Of a compile that has ended, once; None if the report could not be read."""
    monkeypatch.delenv(REPORT)
    monkeypatch.setattr(run_reports, "EVERY", 0.0)
    monkeypatch.setattr(report_writer, "save_trials_view", bool)

    def report(_run: str, *, tracking_uri: str) -> Any:
        assert tracking_uri == CONNECTION.destination.tracking_uri
        if not readable:
            raise ConnectionError
        return SimpleNamespace(verdict=SimpleNamespace(evidence="It is chance."), description="d", html="h")

    monkeypatch.setattr(reporting, "read_report", report)
    store = _Store()

    def opened(_connection: Connection) -> _Store:
        return store

    monkeypatch.setattr(Connection, "store", opened)
    observer = _Observer()
    report_observers.add_observer(observer)
    reports = RunReports()
    for ended in (False, True):
        reports.request(CONNECTION, RUN, ended=ended, compile_id="c" if ended else None)
        reports.start()
        awaited(lambda: not reports.is_writing, "the report")
    assert observer.received == [("c", "It is chance." if readable else None)]


@pytest.mark.usefixtures("only_own_garbage")
def test_the_same_verdict_whoever_observes() -> None:
    """A failure of one observer reaches no other; one that no longer exists is not called."""

    class Failing(_Observer):
        @override
        def report_written(self, compile_id: str, verdict: str | None) -> None:
            raise ConnectionError(verdict)

    kept = [Failing(), _Observer(), _Observer()]
    list(map(report_observers.add_observer, kept))
    last = kept.pop().received
    gc.collect()
    report_observers.report_written("c", "It is chance.")
    assert (kept[1].received, last) == ([("c", "It is chance.")], [])
