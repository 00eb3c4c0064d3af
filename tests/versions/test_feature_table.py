"""docs/versions.md is true of the versions that are installed here."""

from __future__ import annotations

import inspect
import re
from importlib.metadata import requires, version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
from packaging.requirements import Requirement

from otel_dspy.hooks.patching.capabilities import part
from otel_dspy.mlflow.tracking.store import capabilities

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE: Final = Path(__file__).parents[2] / "docs" / "versions.md"


def _has(path: str, *names: str) -> str:
    found: Any = part(path)
    return "yes" if found is not None and all(name in vars(found) for name in names) else "-"


def _gepa() -> str:
    if part("dspy.teleprompt:GEPA") is None:
        return "-"
    optimize: Any = part("gepa:optimize")
    return "proposals" if "callbacks" in inspect.signature(optimize).parameters else "evaluations"


def _table(heading: str, installed: str) -> Mapping[str, str]:
    """The rows under a heading, by their first cell, with the cell of the installed version's column."""
    text = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    head = rows[0]
    column = next((n for n, cell in enumerate(head) if re.match(rf"{re.escape(cell)}(\.|$)", installed) and n), None)
    if column is None:
        pytest.skip(f"the page has no column for {heading} {installed}")
    return {row[0]: row[column] for row in rows[2:]}


def test_dspy() -> None:
    """The names that a row depends on exist or not, as the page states for this version; scenarios test the first rows."""
    assert _table("DSPy", version("dspy")) == {
        "calls of programs, modules and models: sync, async, streamed": "yes",
        "tokens, cost, served model, cache hits": "yes",
        "evaluations, examples, compiles, trials": "yes",
        "retrieval and embeddings, `dspy.ReAct` and `dspy.CodeAct` as agents": "yes",
        "GRPO, `dspy.BootstrapFinetune`": _has("dspy.teleprompt.grpo:GRPO", "compile"),
        "retries of a model call, time to first chunk": _has("dspy.clients.execution", "_attempt", "stream_emitted"),
        "an adapter's fallback": _has("dspy.adapters.chat_adapter:ChatAdapter", "_make_json_adapter_fallback"),
        "GEPA": _gepa(),
        "runs of gepa without DSPy's class": "yes" if _gepa() == "proposals" else "-",
        "BetterTogether's steps as trials": _has(
            "dspy.teleprompt.bettertogether:BetterTogether", "_run_and_evaluate_step"
        ),
        "ReAnchor": _has("dspy.teleprompt.reanchor"),
        "`dspy.ReActV2` as an agent": _has("dspy.predict.react_v2:ReActV2"),
        "`dspy.RLM`'s interpreter": _has("dspy.predict.rlm:RLM", "_interpreter_context"),
        "interpreters of your own in `dspy.ProgramOfThought`": _has(
            "dspy.predict.program_of_thought:ProgramOfThought", "_interpreter_context"
        ),
    }


def _has_bridge() -> bool:
    """Whether the extra `bridge` allows the installed MLflow."""
    extra = [one for one in map(Requirement, requires("otel-dspy") or ()) if 'extra == "bridge"' in str(one.marker)]
    return all(version("mlflow") in one.specifier for one in extra if one.name == "mlflow")


def test_mlflow() -> None:
    """What the installed MLflow is taken to be able to do is what the page states."""

    def recorded(able: bool) -> str:  # noqa: FBT001 - yes or no is what it translates
        return "yes" if able else "-"

    assert _table("MLflow", version("mlflow")) == {
        "runs, parameters, metrics, datasets, artifacts": "yes",
        "traces with their scores": recorded(capabilities.TRACES),
        "[evaluation datasets](read-your-optimization.md#evaluation-runs-and-datasets), in a store with a database": recorded(
            capabilities.EVALUATION_DATASETS
        ),
        "the best program as a logged model": recorded(capabilities.MODELS),
        "[the bridge](bridge.md), [inside `mlflow server`](mlflow-server.md)": recorded(
            capabilities.TRACES and _has_bridge()
        ),
    }
