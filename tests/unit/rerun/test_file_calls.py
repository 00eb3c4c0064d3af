"""Recorded calls in files: each call once, however often a Collector has written it."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

from otel_dspy.rerun.file_calls import calls_of_files

if TYPE_CHECKING:
    from pathlib import Path


def _request(number: int, answer: str) -> str:
    """A line with the span of a call of the same question."""

    def messages(role: str, text: str) -> str:
        return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}], "finish_reason": "stop"}])

    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "scripted",
        "gen_ai.input.messages": messages("user", "1+1?"),
        "gen_ai.output.messages": messages("assistant", answer),
    }
    span = {
        "traceId": "1" * 32,
        "spanId": f"{number:016x}",
        "name": "chat",
        "startTimeUnixNano": str(number),
        "endTimeUnixNano": str(number + 1),
        "attributes": [{"key": name, "value": {"stringValue": value}} for name, value in attributes.items()],
    }
    return json.dumps({"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {}, "spans": [span]}]}]})


def test_a_call_that_is_there_again_counts_once(tmp_path: Path) -> None:
    """Sent again after a lost acknowledgment, and in a copy of a rotated file: else the second answer would be the first."""
    first, second = _request(1, "2"), _request(2, "two")
    (tmp_path / "traces.json").write_text(f"{first}\n{first}\n{second}\n")
    (tmp_path / "traces-1.json.gz").write_bytes(gzip.compress(f"{second}\n{first}\n".encode()))
    calls = sorted((call for call in calls_of_files(tmp_path) if call is not None), key=lambda call: call.start_ns)
    assert [call.answer.choices[0].text for call in calls] == ["2", "two"]
