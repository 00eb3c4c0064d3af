from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from otel_dspy.mlflow.delivery.spool_folder import is_spool_file
from otel_dspy.mlflow.delivery.spool_line import parse_line
from otel_dspy.otlp_requests import protobuf_spans
from otel_dspy.reporting.files.otlp_files import spool_of_files

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

TRACE = "1" * 32


def span(number: int, operation: str, end: int, **attributes: str) -> dict[str, Any]:
    """Make a span of OTLP JSON below span 1."""
    named = {"dspy.operation.name": operation, **{name.replace("__", "."): value for name, value in attributes.items()}}
    return {
        "traceId": TRACE,
        "spanId": f"{number:016x}",
        **({} if number == 1 else {"parentSpanId": f"{1:016x}"}),
        "name": f"span {number}",
        "startTimeUnixNano": "1",
        "endTimeUnixNano": str(end),
        "attributes": [{"key": name, "value": {"stringValue": value}} for name, value in named.items()],
    }


def request(*spans: dict[str, Any]) -> str:
    """Make a line."""
    scopes = [{"scope": {"name": "otel_dspy"}, "spans": list(spans)}]
    return json.dumps({"resourceSpans": [{"resource": {}, "scopeSpans": scopes}]})


def names(spool: Path) -> list[str | None]:
    """Return the names of the spans in a spool file; None for the end marker."""
    parsed = [parse_line(line) for line in spool.read_text(encoding="utf-8").splitlines()]
    return [None if one is None else one[0].name for one in parsed]


def test_control_spans_are_written_in_the_order_of_their_ends(tmp_path: Path) -> None:
    """Once each, from all files, after the pieces of their attributes; other spans and signals are left out."""
    first, second, spool = tmp_path / "traces-1.json", tmp_path / "traces.json", tmp_path / "control.jsonl"
    compiled, trial = span(1, "compile", 90), span(2, "trial", 50)
    piece = span(3, "payload", 95, dspy__payload__attribute="dspy.compile.summary")
    first.write_text(f'{request(compiled, trial)}\n{{"resourceLogs":[]}}\n\n')
    second.write_text(f"{request(piece, trial, span(4, 'lm', 10))}\n{request(span(5, 'setup', 20))}\n")
    results = spool_of_files([first, second], spool)
    assert names(spool) == ["span 5", "span 2", "span 3", "span 1", None]
    assert [(one.path, one.spans, one.damaged, one.reason) for one in results] == [
        (first, 2, [], None),
        (second, 3, [], None),
    ]


def test_what_cannot_be_read(tmp_path: Path) -> None:
    """Lines that are no requests, spans without an id, and a file that is gone; a line that is being written is fine."""
    damaged, gone, spool = tmp_path / "traces.json", tmp_path / "gone.json", tmp_path / "control.jsonl"
    bad = {**span(2, "trial", 1), "spanId": "xyz"}
    damaged.write_text(f"{request(bad, span(1, 'compile', 2))}\nno JSON\n{request(span(5, 'setup', 2))[:-9]}")
    results = spool_of_files([damaged, gone], spool)
    assert names(spool) == ["span 1", None]
    assert [number for number, _ in results[0].damaged] == [1, 2]
    assert results[1].trouble == "the file cannot be read: No such file or directory"


def test_a_request_of_too_many_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is reported as damaged, and the requests after it are read."""
    monkeypatch.setattr(protobuf_spans, "MAX_PARTS", 4)
    file, spool = tmp_path / "traces.json", tmp_path / "control.jsonl"
    file.write_text(
        f"{request(*(span(number, 'trial', 1) for number in (2, 3, 4)))}\n{request(span(1, 'compile', 2))}\n"
    )
    [result] = spool_of_files([file], spool)
    assert result.damaged == [(1, "the request has more than 4 spans, scopes and resources")]
    assert names(spool)[-2:] == ["span 1", None]


def test_spool_files_are_recognized(tmp_path: Path) -> None:
    """By their first line, whatever their name is."""
    spool, other = tmp_path / "traces.json", tmp_path / "20260101T000000Z-1-1-control-0001.jsonl"
    other.write_text(request(span(1, "compile", 2)))
    spool_of_files([other], spool)
    assert (is_spool_file(spool), is_spool_file(other)) == (True, False)
