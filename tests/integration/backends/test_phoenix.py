"""Arize Phoenix, a real server: what it shows of our spans, in both shapes, with OpenInference's attributes and without."""

from __future__ import annotations

import re
import subprocess
from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

import pytest
from inline_snapshot import snapshot

from tests.integration.backends.reference_telemetry import CONVENTIONS, SHAPES, otlp, send_telemetry
from tests.support.phoenix_server import PYTHON, READY, ROOT, needs_phoenix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from opentelemetry.sdk.trace import ReadableSpan

    from tests.integration.backends.reference_telemetry import SentTelemetry
    from tests.support.phoenix_server import Phoenix

pytestmark = needs_phoenix


@pytest.fixture(scope="module")
def all_seen(phoenix: Phoenix) -> dict[str, tuple[SentTelemetry, dict[str, Any]]]:
    """What was sent to Phoenix in each way, and what it holds when it has all of it."""
    recorded = {
        f"{shape}-{conventions}": send_telemetry(
            f"{shape}-{conventions}",
            [otlp(phoenix.url)],
            {"openinference.project.name": f"{shape}-{conventions}"},
            trace_shape=shape,
            capture_content=True,
            extra_conventions=() if conventions == "plain" else conventions,
        )
        for shape in SHAPES
        for conventions in CONVENTIONS
    }
    held = phoenix.read({name: {"spans": len(sent.spans), "tokens": tokens(sent)} for name, sent in recorded.items()})
    return {name: (sent, held[name]) for name, sent in recorded.items()}


@pytest.fixture
def seen(
    all_seen: dict[str, tuple[SentTelemetry, dict[str, Any]]], shape: str, conventions: str
) -> tuple[SentTelemetry, dict[str, Any]]:
    """One of them."""
    return all_seen[f"{shape}-{conventions}"]


def tokens(recorded: SentTelemetry) -> int:
    """How many were used."""
    return recorded.total("gen_ai.usage.input_tokens") + recorded.total("gen_ai.usage.output_tokens")


def attributes(span: ReadableSpan) -> dict[str, Any]:
    """As JSON has them."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in (span.attributes or {}).items()}


def test_every_span_is_there_with_all_attributes_of_otel_dspy(seen: tuple[SentTelemetry, dict[str, Any]]) -> None:
    """Ids, names, parents, status and every `dspy.*` and `gen_ai.*` attribute: what was sent is what is read back."""
    recorded, held = seen
    read = {span["context"]["span_id"]: span for span in held["spans"]}
    for span in recorded.spans:
        assert span.context is not None
        found = read.pop(f"{span.context.span_id:016x}")
        parent = f"{span.parent.span_id:016x}" if span.parent else None
        assert (found["name"], found["parent_id"]) == (span.name, parent)
        assert found["context"]["trace_id"] == f"{span.context.trace_id:032x}"
        assert found["status_code"] == span.status.status_code.name
        ours = {name: value for name, value in attributes(span).items() if name.startswith(("dspy.", "gen_ai."))}
        back = {name: value for name, value in found["attributes"].items() if name.startswith(("dspy.", "gen_ai."))}
        assert back == ours, span.name
    assert not read


def kinds(held: dict[str, Any]) -> dict[str, set[str]]:
    """The kinds that Phoenix shows, by the first word of the span's name."""
    found: dict[str, set[str]] = defaultdict(set)
    for span in held["spans"]:
        found[span["name"].split()[0]].add(span["span_kind"])
    return dict(sorted(found.items()))


def test_kinds(seen: tuple[SentTelemetry, dict[str, Any]], conventions: str) -> None:
    """Phoenix knows the standard's language model calls by itself, and the rest by OpenInference's attributes."""
    assert (
        kinds(seen[1])
        == {
            "plain": snapshot(
                {
                    "chat": {"LLM"},
                    "compile": {"UNKNOWN"},
                    "dataset": {"UNKNOWN"},
                    "evaluate": {"UNKNOWN"},
                    "example": {"UNKNOWN"},
                    "module": {"UNKNOWN"},
                    "phase": {"UNKNOWN"},
                    "setup": {"UNKNOWN"},
                    "trial": {"UNKNOWN"},
                }
            ),
            "openinference": snapshot(
                {
                    "chat": {"LLM"},
                    "compile": {"CHAIN"},
                    "dataset": {"CHAIN"},
                    "evaluate": {"EVALUATOR"},
                    "example": {"CHAIN"},
                    "module": {"CHAIN"},
                    "phase": {"CHAIN"},
                    "setup": {"CHAIN"},
                    "trial": {"CHAIN"},
                }
            ),
        }[conventions]
    )


def test_tokens_and_cost(seen: tuple[SentTelemetry, dict[str, Any]]) -> None:
    """Phoenix's sums over the project are those of the calls; its price list and DSPy's agree on this model."""
    recorded, held = seen
    assert held["cost"]["tokens"] == tokens(recorded) > 0
    assert held["cost"]["cost"] == pytest.approx(recorded.total("dspy.lm.cost"))
    for span in held["spans"]:
        if span["name"].startswith("chat"):
            texts = span["attributes"]
            assert texts["llm.token_count.prompt"] == texts["gen_ai.usage.input_tokens"] > 0
            assert texts["llm.model_name"] == "gpt-4o-mini"


def test_scores_can_be_filtered_by(seen: tuple[SentTelemetry, dict[str, Any]], conventions: str) -> None:
    """`metadata['score'] == 0` in Phoenix's filter finds the examples that went wrong, with OpenInference's attributes."""
    recorded, held = seen
    wrong = [span.context for span in recorded.named("example") if attributes(span)["dspy.example.score"] == 0]
    expected = (
        sorted(f"{context.span_id:016x}" for context in wrong if context) if conventions == "openinference" else []
    )
    assert held["wrong"] == expected
    assert wrong


ANNOTATIONS = re.compile(r"<!-- covered-by: [^\n]*test_scores_become_annotations -->\n```python\n(.*?)```", re.DOTALL)


@pytest.mark.slow  # Phoenix's client takes many seconds to import
def test_scores_become_annotations(all_seen: dict[str, tuple[SentTelemetry, dict[str, Any]]], phoenix: Phoenix) -> None:
    """The documentation's program gives Phoenix each example's score as an annotation, by Phoenix's own client."""
    recorded = all_seen["linked-plain"][0]
    [program] = ANNOTATIONS.findall((ROOT / "docs" / "backends.md").read_text(encoding="utf-8"))
    program = program.replace("http://127.0.0.1:6006", phoenix.url).replace('"sums"', '"linked-plain"')
    shown = "\nfor one in client.spans.get_span_annotations(spans=examples, project_identifier=project):\n"
    shown += "    print(one['span_id'], one['name'], one['annotator_kind'], one['result']['score'])\n"
    done = subprocess.run([PYTHON, "-c", program + shown], capture_output=True, text=True, timeout=READY, check=False)
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == sorted(
        f"{span.context.span_id:016x} exact CODE {float(attributes(span)['dspy.example.score'])}"
        for span in recorded.named("example")
        if span.context
    )


def test_conversations_are_sessions(seen: tuple[SentTelemetry, dict[str, Any]], shape: str, conventions: str) -> None:
    """Each conversation is a session, each call a turn; messages are there in OpenInference's attributes only."""
    sessions = {session["session_id"]: session["turns"] for session in seen[1]["sessions"]}
    project = f"{shape}-{conventions}"
    assert {name: len(turns) for name, turns in sessions.items()} == {f"{project}-alice": 2, f"{project}-bob": 1}
    texts = [
        (turn.get("input", {}).get("value"), turn.get("output", {}).get("value"))
        for turn in sessions[f"{project}-alice"]
    ]
    assert (
        texts
        == {
            "plain": snapshot([(None, None), (None, None)]),
            "openinference": snapshot(
                [('{"question":"0+1"}', '{"answer":"wrong"}'), ('{"question":"1+1"}', '{"answer":"2"}')]
            ),
        }[conventions]
    )


def test_the_tree_of_an_optimization(seen: tuple[SentTelemetry, dict[str, Any]], shape: str, conventions: str) -> None:
    """`nested` is one tree from compile to call; `linked` has a trace an example, and Phoenix keeps no links."""
    assert not any("links" in span for span in seen[1]["spans"])
    lines = list(drawn(seen[1]["spans"]))
    counted = Counter(line.split()[0] for line in lines if not line.startswith(" "))
    assert (
        counted
        == {
            "linked": snapshot(Counter({"compile": 1, "example": 8, "module": 3})),
            "nested": snapshot(Counter({"compile": 1, "module": 3})),
        }[shape]
    )
    if (shape, conventions) == ("nested", "openinference"):
        assert lines[: lines.index(next(line for line in lines if "trial" in line and "seed -2" in line))] == snapshot(
            [
                "compile BootstrapFewShotWithRandomSearch CHAIN  metadata.best_score=50.0 metadata.metric=exact metadata.score_unit=percent",
                "  setup BootstrapFewShotWithRandomSearch CHAIN ",
                "    dataset train CHAIN ",
                "    dataset validation CHAIN ",
                "  trial BootstrapFewShotWithRandomSearch CHAIN seed -3 metadata.best_score=50.0 metadata.is_best=True metadata.score=50.0 metadata.score_unit=percent",
                "    evaluate exact EVALUATOR  metadata.metric=exact metadata.score=50.0",
                "      example exact CHAIN  metadata.metric=exact metadata.score=0.0",
                "        module Predict CHAIN ",
                "          chat gpt-4o-mini LLM ",
                "      example exact CHAIN  metadata.metric=exact metadata.score=1.0",
                "        module Predict CHAIN ",
                "          chat gpt-4o-mini LLM ",
            ]
        )


def drawn(spans: list[dict[str, Any]]) -> Iterator[str]:
    """Phoenix's tree, a line a span: name, kind, label of the trial, metadata."""
    children: dict[str | None, list[dict[str, Any]]] = defaultdict(list)
    for span in spans:
        children[span["parent_id"]].append(span)

    def walk(span: dict[str, Any], depth: int) -> Iterator[str]:
        texts = span["attributes"]
        shown = {name: value for name, value in texts.items() if name.startswith("metadata.")}
        label = texts.get("dspy.trial.label", "")
        yield "  " * depth + " ".join(
            [span["name"], span["span_kind"], label, *(f"{n}={v}" for n, v in sorted(shown.items()))]
        )
        for child in sorted(children[span["context"]["span_id"]], key=lambda one: one["start_time"]):
            yield from walk(child, depth + 1)

    for root in sorted(children[None], key=lambda one: one["start_time"]):
        yield from walk(root, 0)
