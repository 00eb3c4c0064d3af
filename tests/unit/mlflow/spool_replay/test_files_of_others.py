"""Replay of files that are none of the spool, as those of a Collector: nothing is removed, and it is a line, not one each."""

from __future__ import annotations

import gzip
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from otel_dspy.cli import main
from tests.support.blank_store import blank_store
from tests.support.loopback_server import LoopbackHandler, serving

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

LINES = 30
REQUEST = {
    "resourceSpans": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "s"}}]},
            "scopeSpans": [{"scope": {"name": "otel_dspy"}, "spans": [{"traceId": "1" * 32, "spanId": "2" * 16}] * 2}],
        }
    ]
}


@contextmanager
def _endpoint() -> Generator[tuple[str, list[Any]]]:
    taken: list[Any] = []

    class Handler(LoopbackHandler):
        def do_POST(self) -> None:
            taken.extend(json.loads(self.read_body())["resourceSpans"])
            self.answer(200)

    with serving(Handler) as port:
        yield f"http://127.0.0.1:{port}", taken


def _collectors_file(folder: Path) -> Path:
    file = folder / "traces.json"
    file.write_text(f"{json.dumps(REQUEST)}\n" * LINES)
    return file


def test_a_collectors_file_is_sent_to_an_endpoint_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The Collector may write it: a file that is removed meanwhile would take what follows with it."""
    file = _collectors_file(tmp_path)
    with _endpoint() as (url, taken):
        assert main(["replay", "--otlp", url, str(file)]) == 0
    assert taken == REQUEST["resourceSpans"] * LINES
    assert len(file.read_text().splitlines()) == LINES
    assert capsys.readouterr().out == (
        f"{file}: {2 * LINES} spans written\n{file} is kept: it is not a file of otel-dspy's spool\n"
    )


@pytest.mark.parametrize("packed", [False, True])
def test_a_collectors_file_for_mlflow_is_explained(
    *, packed: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which commands read it; its lines are not listed."""
    file = _collectors_file(tmp_path)
    if packed:
        file.write_bytes(gzip.compress(file.read_bytes()))
    content = file.read_bytes()
    assert main(["replay", "--tracking-uri", blank_store(tmp_path), str(file)]) == 1
    assert file.read_bytes() == content
    first, *others = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{file}, line 1: skipped, ")
    (kept,) = others
    assert kept == (
        f"{file} is kept: it is not a file of otel-dspy's spool. For files of a Collector: otel-dspy report FILE, or to "
        "a bridge, otel-dspy replay --otlp URL FILE"
    )


@pytest.mark.parametrize(
    ("others", "more"), [(1, ""), (2, "{file}: 1 more line was skipped\n"), (3, "{file}: 2 more lines were skipped\n")]
)
def test_other_signals_of_a_collectors_file_are_counted(
    others: int, more: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One reason, and a number where there are several: the spans are sent."""
    file = _collectors_file(tmp_path)
    file.write_text('{"resourceLogs":[]}\n' * others + file.read_text())
    with _endpoint() as (url, taken):
        assert main(["replay", "--otlp", url, str(file)]) == 1
    assert len(taken) == LINES
    assert capsys.readouterr().out == (
        f"{file}, line 1: skipped, KeyError: 'resourceSpans'\n{more.format(file=file)}"
        f"{file}: {2 * LINES} spans written\n{file} is kept: it is not a file of otel-dspy's spool\n"
    )


@pytest.mark.parametrize("to", ["otlp", "mlflow"])
def test_an_empty_file_is_kept(to: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A Collector that has just rotated its files has one."""
    file = tmp_path / "traces.json"
    file.touch()
    with _endpoint() as (url, _):
        where = ["--otlp", url] if to == "otlp" else ["--tracking-uri", blank_store(tmp_path)]
        assert main(["replay", *where, str(file)]) == 1
    assert file.exists()
    assert "process was killed" not in capsys.readouterr().out
