"""collector/redacted.yaml: MLflow's records without content, and that no content is exported."""

from __future__ import annotations

import base64
import random
import re
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import dspy
import pytest
import yaml

from otel_dspy.bridge.multi_writer import payload_piece_store
from tests.chaos.twins import differences, record
from tests.integration.collector.test_configurations import EXPERIMENT, await_that, emit, ids, taken
from tests.support.addition_task import addition_lm, exact
from tests.support.bridges import running_bridge
from tests.support.collectors import FOLDER, ROOT, needs_collector, running_collector
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.optimizers import Rounds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

LONG = 400_000
"""Characters of chance: far more than one attribute holds, compressed too."""
MARKERS = (b"geheim", b"Scripted", b"Given the fields")
"""In inputs, labels, answers, demos, feedback and errors; in proposals; in DSPy's own instructions."""


def scored(example: dspy.Example, prediction: dspy.Prediction, trace: object = None) -> Any:
    """A metric with feedback; it fails on the first example."""
    del trace
    if example["question"] == "geheim 0":
        raise ValueError("geheim: the metric is broken")
    return dspy.Prediction(score=float(exact(example, prediction)), feedback="geheim feedback")


def work() -> None:
    """An optimization and a stand-alone evaluation whose every text holds a marker."""

    def answer(inputs: Mapping[str, str]) -> str:
        return inputs["question"] if int(inputs["question"].split()[1]) % 2 else "geheim wrong"

    rows = [dspy.Example(question=f"geheim {n}", answer=f"geheim {n}").with_inputs("question") for n in range(6)]

    def plain(example: dspy.Example, prediction: dspy.Prediction, trace: object = None) -> float:
        return scored(example, prediction, trace)["score"] if example["question"] != "geheim 0" else 0.0

    with dspy.context(lm=in_process_lm(dspy_script({"answer": answer}))):
        optimizer = dspy.MIPROv2(
            plain, auto=None, num_candidates=2, num_threads=2, max_bootstrapped_demos=1, max_labeled_demos=1
        )
        program = dspy.ChainOfThought("question -> answer")
        optimizer.compile(program, trainset=rows[:3], valset=rows[2:], num_trials=2, minibatch=False)
        dspy.Evaluate(devset=rows, metric=scored, num_threads=2, max_errors=10)(program)


def work_with_long_texts() -> None:
    """An optimization whose program, datasets and results are too long for an attribute each, compressed too."""
    chance = random.Random(1)  # noqa: S311 - chance, no secret

    def long(length: int) -> str:
        return "geheim" + "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=length)) + "geheim"

    rows = [
        dspy.Example(question=f"{n}+1", answer=str(n + 1), noise=long(LONG)).with_inputs("question") for n in range(2)
    ]
    program: Any = dspy.Predict("question -> answer")
    program.signature = program.signature.with_instructions("Given the fields " + long(LONG))
    with dspy.context(lm=addition_lm()):
        Rounds(exact).compile(program, trainset=rows)


def figures(recorded: dict[str, Any]) -> dict[str, Any]:
    """What must not change by redaction: runs, parameters, metrics with steps, traces with their scores."""

    def of_trace(trace: dict[str, Any]) -> dict[str, Any]:
        def of_span(span: dict[str, Any]) -> dict[str, Any]:
            parts = [of_span(child) for child in span["children"]]
            return {"name": span["name"], "status": span["status"], "children": parts}

        scores = [(one["name"], one["value"]) for one in trace["assessments"]]
        spans = [of_span(span) for span in trace["spans"]]
        return {"name": trace["name"], "state": trace["state"], "scores": scores, "spans": spans}

    def of_run(run: dict[str, Any]) -> dict[str, Any]:
        same = {name: run[name] for name in ("name", "status", "params")}
        # Errors are counted by type in the rows of the results, which are content.
        same["metrics"] = {
            name: values for name, values in run["metrics"].items() if not name.startswith("score/errors/")
        }
        children = [of_run(child) for child in run["children"]]
        return {**same, "children": children, "traces": [of_trace(trace) for trace in run["traces"]]}

    return {
        "runs": [of_run(run) for run in recorded["runs"]],
        "traces": [of_trace(trace) for trace in recorded["traces"]],
    }


@needs_collector
@pytest.mark.parametrize("done", [work, work_with_long_texts])
def test_no_byte_of_content_passes(done: Callable[[], None], new_store: Callable[[str], str], tmp_path: Path) -> None:
    """In the queue, on the way and in MLflow stands no marker; scores, parameters, metrics, run and span trees do.

    Long texts are compressed, in pieces: no piece passes, none is waited for, and nothing that passes unzips to a marker.
    """
    store, reference = new_store("collected"), new_store("reference")
    passed = tmp_path / "passed.json"
    kept = [
        f"yaml:exporters::file::path: {passed}",
        "yaml:service::pipelines::traces::exporters: [otlp_grpc/bridge, file]",
    ]
    with (
        running_bridge(store, EXPERIMENT, patience=8) as bridge,
        running_collector(
            FOLDER / "redacted.yaml",
            tmp_path / "collector",
            {"BRIDGE_ENDPOINT": f"127.0.0.1:{bridge.grpc_port}"},
            kept,
        ) as collector,
    ):
        spans = emit(collector.grpc, reference, done)
        recorded = ids([span for span in spans if span.name != "payload"])
        pieces = b" ".join(str(dict(span.attributes or {})).encode() for span in spans if span.name == "payload")
        assert any(b"geheim" in text for text in unzipped_in(pieces)) is (done is work_with_long_texts)
        await_that(lambda: taken(bridge) == recorded, "all at the bridge")
        await_that(lambda: bridge.writer.waiting == 0, "no span waits for a piece")
        collector.stop()
        way = passed.read_bytes() + b"".join(file.read_bytes() for file in collector.queue.iterdir())
    expected = record(reference, EXPERIMENT)
    # They were there to be taken out.
    markers = [marker for marker in MARKERS if marker in str(expected).encode()]
    assert len(markers) == (3 if done is work else 2)
    found = record(store, EXPERIMENT)
    database = store.removeprefix("sqlite:///")
    holds = str(found).encode() + b"".join(
        file.read_bytes() for file in tmp_path.glob(f"{database.rpartition('/')[2]}*")
    )
    assert b"question -> answer" in way or b"ChainOfThought" in way
    for passed_on in (way, holds, *unzipped_in(way + holds)):
        assert [marker for marker in markers if marker in passed_on] == []
    assert all(run["status"] == "FINISHED" for run in found["runs"])
    assert not list(tmp_path.rglob(payload_piece_store.FOLDER))
    assert differences(figures(found), figures(expected)) == []


def unzipped_in(content: bytes) -> Iterator[bytes]:
    """Whatever in it is base64 of something that gzip or zlib has compressed; a piece need not be the first."""
    for match in re.finditer(rb"[A-Za-z0-9+/]{64,}", content):
        for start in range(4):
            text = match[0][start:]
            packed = base64.b64decode(text[: len(text) // 4 * 4])
            with suppress(zlib.error):
                yield zlib.decompressobj(zlib.MAX_WBITS | 32).decompress(packed)


def test_every_attribute_with_content_is_named() -> None:
    """Whatever semconv/ marks as content, programs or datasets matches an expression of redacted.yaml."""
    groups = yaml.safe_load((ROOT / "semconv" / "attributes.yaml").read_text(encoding="utf-8"))["groups"]
    content = {one["id"] for group in groups for one in group["attributes"] if "content" in one}
    processors = yaml.safe_load((FOLDER / "redacted.yaml").read_text(encoding="utf-8"))["processors"]
    groups = processors["transform/redact"]["trace_statements"]
    patterns = [
        match[1].replace("\\\\", "\\")
        for group in groups
        for statement in group["statements"]
        if (match := re.fullmatch(r'delete_matching_keys\(span\.attributes, "(.*)"\)', statement))
    ]
    assert len(patterns) == 3
    assert len(content) >= 12
    assert {name for name in content if not any(re.search(pattern, name) for pattern in patterns)} == set()
