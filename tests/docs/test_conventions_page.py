"""docs/conventions.md: it has every name of the conventions, and its tests exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import dspy
import pytest
from opentelemetry.semconv._incubating.attributes import gen_ai_attributes
from opentelemetry.util import genai

from otel_dspy.hooks.lm.call_request import CallRequest
from tests.conformance.scenarios import SCENARIOS, SCRIPT
from tests.docs.code_blocks import ROOT
from tests.support.in_process_lm import in_process_lm
from tests.support.lm_server import scripted_lm
from tests.support.span_recorder import recording

PAGE: Final = (ROOT / "docs" / "conventions.md").read_text(encoding="utf-8")
_NAME: Final = re.compile(r"`((?:gen_ai|openai)\.[a-z_.*]+)`")
_TEST: Final = re.compile(r"`(?P<path>tests/[^`:]+\.py)::(?P<name>\w+)`")


def rows() -> list[tuple[list[str], str, str]]:
    """Names, status and test of each row that has names."""
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if line.startswith("| `")]
    return [(_NAME.findall(row[0]), row[1], row[3] if len(row) > 3 else "") for row in cells]


def _status() -> dict[str, str]:
    return {name: status for names, status, _ in rows() for name in names}


def _listed(name: str) -> bool:
    families = [known.removesuffix("*") for known in _status() if known.endswith("*")]
    return name in _status() or any(name.startswith(family) for family in families)


def test_every_name_of_the_conventions_is_listed() -> None:
    """Those of the installed conventions, and those that the library adds to them."""
    names = {value for key, value in vars(gen_ai_attributes).items() if key.startswith("GEN_AI") and type(value) is str}
    for module in Path(genai.__path__[0]).glob("*.py"):
        names |= set(re.findall(r'"(gen_ai\.[a-z_.]*[a-z])"', module.read_text(encoding="utf-8")))
    events = {"gen_ai.client.inference.operation.details"}
    of_another_row = {"gen_ai.token.type"}  # an attribute of the metric of tokens
    assert sorted(name for name in names - events - of_another_row if not _listed(name)) == []


def test_adopted_names_have_tests_that_exist() -> None:
    """Only they: a name that is not set has none."""
    attributes = [row for row in rows() if not row[0][0].startswith("gen_ai.client") and "duration" not in row[0][0]]
    for names, status, test in attributes:
        assert status in {"adopted", "pending", "not used"}, names
        found = _TEST.search(test)
        assert (found is not None) == (status == "adopted"), names
        if found is not None:
            source = (ROOT / found["path"]).read_text(encoding="utf-8")
            assert re.search(rf"^(async )?def {found['name']}\(", source, re.MULTILINE), test


def test_what_is_not_adopted_is_not_set() -> None:
    """Whatever the spans and metrics of a search, of an agent and of its tools hold is listed as adopted."""
    with (
        scripted_lm(SCRIPT) as server,
        dspy.context(lm=dspy.LM("openai/gpt-4o-mini", api_base=server.api_base, api_key="k", cache=False)),
        recording(capture_content=True) as recorder,
    ):
        for name in ("random search", "a tool"):
            SCENARIOS[name].act()
        data: Any = recorder.capture.metrics()
    seen = {name for span in recorder.spans for name in span.attributes or {}}
    seen |= {metric.name for scope in data.resource_metrics[0].scope_metrics for metric in scope.metrics}
    ours = {name for name in seen if name.startswith("gen_ai.")}
    assert {"gen_ai.request.model", "gen_ai.tool.name", "gen_ai.client.token.usage"} <= ours
    assert {name: _status().get(name) for name in ours if _status().get(name) != "adopted"} == {}


def test_request_settings() -> None:
    """Settings of a call are attributes under the names of the conventions."""
    with (
        scripted_lm(SCRIPT) as server,
        dspy.context(lm=dspy.LM("openai/gpt-4o-mini", api_base=server.api_base, api_key="k", cache=False)),
        recording() as recorder,
    ):
        settings: Any = {
            "top_k": 7,
            "top_p": 0.5,
            "frequency_penalty": 0.25,
            "presence_penalty": 0.75,
            "stop": ["\n\n"],
        }
        dspy.Predict("question -> answer", **settings)(question="1+1")
    (span,) = recorder.named("chat ")
    found: Any = span.attributes
    names = ("top_k", "top_p", "frequency_penalty", "presence_penalty")
    assert {name: found[f"gen_ai.request.{name}"] for name in names} == {
        "top_k": 7,
        "top_p": 0.5,
        "frequency_penalty": 0.25,
        "presence_penalty": 0.75,
    }
    assert found["gen_ai.request.stop_sequences"] == ("\n\n",)


def test_the_level_of_reasoning() -> None:
    """The text that is sent to the provider, without content too."""
    with recording() as recorder, dspy.context(lm=in_process_lm(lambda _: "[[ ## answer ## ]]\n2")):
        dspy.Predict("question -> answer", reasoning_effort="low")(question="1+1")
    (span,) = recorder.named("chat ")
    assert (span.attributes or {})["gen_ai.request.reasoning.level"] == "low"


@pytest.mark.parametrize(
    ("keywords", "level"),
    [
        ({}, None),
        ({"reasoning": {"effort": "high"}}, "high"),
        ({"reasoning": {"effort": "high"}, "reasoning_effort": "low"}, "low"),
        ({"reasoning": {"effort": 3}}, None),
        ({"reasoning": True}, None),
    ],
)
def test_both_settings_of_reasoning(keywords: dict[str, Any], level: str | None) -> None:
    """LiteLLM takes a text or an object."""
    assert CallRequest.of(keywords, None, content=False).keywords["reasoning_level"] == level
