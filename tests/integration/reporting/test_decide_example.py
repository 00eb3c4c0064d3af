from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient

from tests.support.blank_store import blank_store
from tests.support.dspy_answers import dspy_script
from tests.support.lm_server import scripted_lm
from tests.support.programs import run_program

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.slow  # two optimizations; the tests beside it have each step on a smaller one
EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "decide.py"


def sentiment_of(inputs: Mapping[str, str]) -> str:
    """Some sentiment of a tweet, the same for the same tweet."""
    return "positive" if len(inputs["tweet"]) % 2 else "negative"


def test_from_optimizations_to_the_champion(tmp_path: Path) -> None:
    """The program forecasts, compares, gates, registers and loads; its lines and MLflow show the same version and run."""
    uri = blank_store(tmp_path)
    with scripted_lm(dspy_script({"sentiment": sentiment_of})) as lm:
        environment = os.environ | {
            "MLFLOW_TRACKING_URI": uri,
            "DECIDE_MODEL": "openai/scripted",
            "DECIDE_API_BASE": lm.api_base,
            "DECIDE_EXAMPLES": "6",
            "OPENAI_API_KEY": "none",
            "DSPY_CACHEDIR": str(tmp_path / "cache"),
        }
        done = run_program(
            text=EXAMPLE.read_text(encoding="utf-8"), folder=tmp_path, environment=environment, patience=300.0
        )
    assert done.returncode == 0, done.stderr
    assert "BootstrapFewShotWithRandomSearch on SentimentOfTweet\n  program runs " in done.stdout
    assert "MIPROv2 on SentimentOfTweet\n  program runs " in done.stdout
    assert "  tokens        0\n" not in done.stdout
    assert "between MIPROv2 " in done.stdout or "are equal: " in done.stdout or " is better than " in done.stdout
    assert "Version 1 of sentiment is the champion: models:/sentiment@champion" in done.stdout
    assert done.stdout.rstrip().splitlines()[-1].startswith("It classifies a new tweet as ")
    version = MlflowClient(uri).get_model_version_by_alias("sentiment", "champion")
    assert version.run_id is not None
    assert version.tags["dspy.optimizer.name"] in {"MIPROv2", "BootstrapFewShotWithRandomSearch"}
    assert (tmp_path / "comparison.html").exists()
    assert (tmp_path / "gate.md").read_text(encoding="utf-8").startswith("### otel-dspy gate: ")
