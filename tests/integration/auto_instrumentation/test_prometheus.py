"""Metrics as Prometheus scrapes them, and the dashboards that ask for them."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.docs.code_blocks import covered_blocks, exported
from tests.support.instrumented_process import ROOT, run_instrumented
from tests.support.mlflow_server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

Series = dict[str, set[str]]
"""The labels that each name was seen with."""
DASHBOARDS = sorted((ROOT / "docs" / "dashboards").glob("*.json"))
COMING = {
    f"gen_ai_client_inference_usage_{direction}_tokens_{kind}": {"gen_ai_request_model"}
    for direction in ("input", "output")
    for kind in ("total", "sum")
} | {
    f"gen_ai_client_{operation}_duration_seconds_{kind}": {"gen_ai_request_model", "error_type", "le"}
    for operation in ("inference", "embeddings")
    for kind in ("count", "bucket")
}
"""What a later opentelemetry-util-genai emits in the place of `gen_ai.client.token.usage` (as counters or as histograms:
the drafts differ) and of `gen_ai.client.operation.duration`: docs/conventions.md."""
GROUPED = re.compile(r"by \(([^)]*)\)")
LEGEND = re.compile(r"\{\{(\w+)\}\}")


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> Series:
    """What a program with optimizations, calls and failures shows at its /metrics, with no code for it."""
    port = str(free_port())
    [block] = covered_blocks("test_every_metric_of_the_contract_can_be_scraped")
    own = {"OTEL_EXPORTER_PROMETHEUS_PORT": port, "DSPY_CACHEDIR": str(tmp_path_factory.mktemp("cache"))}
    done = run_instrumented(Path(__file__).with_name("scraped.py"), port, **exported(block) | own)
    assert done.returncode == 0, done.stderr
    found: Series = defaultdict(set)
    for family in text_string_to_metric_families(done.stdout[done.stdout.index("# HELP") :]):
        for sample in family.samples:
            found[sample.name] |= {name for name, value in sample.labels.items() if value}
    return found


def test_every_metric_of_the_contract_can_be_scraped(scraped: Series) -> None:
    """Each is there under its Prometheus name with the labels of the contract."""
    suffixes = {"histogram": "_count", "counter": "_total", "gauge": "", "updowncounter": ""}
    units = {"s": "_seconds"}
    groups = cast("list[dict[str, Any]]", yaml.safe_load((ROOT / "semconv" / "signals.yaml").read_text())["groups"])
    for group in groups:
        if group["type"] == "metric":
            name = group["metric_name"].replace(".", "_") + units.get(group["unit"], "") + suffixes[group["instrument"]]
            labels = {attribute["ref"].replace(".", "_") for attribute in group["attributes"]}
            assert labels <= scraped[name], name


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_dashboards_query_existing_metrics(path: Path, scraped: Series) -> None:
    """Every metric and every label in every panel's queries and legends is emitted, or will be by another name."""
    assert not COMING.keys() & scraped.keys(), "it has come: take the old name out of the dashboards and of COMING"
    known = {**scraped, **COMING}
    panels = json.loads(path.read_text())["panels"]
    assert len(panels) >= 8
    for panel in panels:
        for target in panel["targets"]:
            query = target["expr"]
            selected = list(selections(query, known))
            assert selected, query
            for name, labels in selected:
                assert name in known, query
                assert labels <= known[name], (query, labels - known[name])
            everywhere = set[str]().union(*(known[name] for name, _ in selected))
            grouped = {label.strip() for found in GROUPED.findall(query) for label in found.split(",")}
            assert grouped <= everywhere, query
            assert set(LEGEND.findall(target["legendFormat"])) <= everywhere, target["legendFormat"]


def selections(query: str, scraped: Series) -> Iterator[tuple[str, set[str]]]:
    """The metrics that a query selects, with the labels that it selects them by."""
    bare = GROUPED.sub("", query)
    for pattern in re.findall(r'\{__name__=~"([^"]*)"\}', bare):
        yield next(name for name in scraped if re.fullmatch(pattern, name)), set()
    for name, matchers in re.findall(
        r"\b((?:dspy|gen_ai)_\w+)(?:\{([^}]*)\})?", re.sub(r"\{__name__[^}]*\}", "", bare)
    ):
        yield name, set(re.findall(r"(\w+)(?:=|!=|=~|!~)\"", matchers))


def test_both_dashboards_are_there() -> None:
    """One for optimizations, one for a service."""
    assert [path.stem for path in DASHBOARDS] == ["optimizations", "service"]
