from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

import dspy
import pytest
from dspy import lm15

from otel_dspy.demo.local_model import MODEL_NAME, PROVIDER, local_model
from otel_dspy.demo.store import EXPERIMENT
from tests.integration.demo.conftest import run_demo
from tests.mlflow_tree import read_tree

if TYPE_CHECKING:
    from pathlib import Path


def test_the_model_serves_on_loopback_until_the_block_ends() -> None:
    """It listens on 127.0.0.1, keeps to a schema, has no price, and is gone, with its provider, when the block ends."""
    signature: Any = dspy.Signature("tweet -> sentiment: Literal['positive', 'negative']")  # pyright: ignore[reportCallIssue] - made by a metaclass
    with local_model(threads=1) as lm:
        [provider] = [known for known in lm15.registered_providers() if known.id == PROVIDER]
        address = urlsplit(provider.definition.access.base_url)
        with dspy.context(lm=lm, adapter=dspy.JSONAdapter()):
            told = dspy.Predict(signature)(tweet="I love it")
        assert told["sentiment"] in ("positive", "negative")
        [call] = cast("list[dict[str, Any]]", lm.history)
        assert (call["cost"], call["response_model"]) == (None, MODEL_NAME)
        assert call["usage"]["prompt_tokens"] > 0
    assert address.hostname == "127.0.0.1"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", address.port or 0), timeout=5)
    assert PROVIDER not in {known.id for known in lm15.registered_providers()}


@pytest.mark.slow
def test_the_demo_on_the_local_model(tmp_path: Path) -> None:
    """A small run of the real thing is recorded whole: trials, scored traces with the model's words, and no cost."""
    result = run_demo(
        tmp_path, "--optimizer", "random_search", "--trials", "3", "--examples", "4", DSPY_CACHEDIR=str(tmp_path / "c")
    )
    assert (result.status, result.errors) == (0, "")
    [run] = read_tree(result.tracking_uri, EXPERIMENT).runs
    trials = [child for child in run.children if "dspy.trial.index" in child.tags]
    assert (run.status, len(trials)) == ("FINISHED", 3)
    assert {value for _step, value in run.metrics["cost"]} == {0.0}
    assert run.metrics["input_tokens"][-1][1] > 0
    assert run.params["lm.model"] == f"{PROVIDER}/{MODEL_NAME}"
    for trial in trials:
        assert len(trial.traces) == 4
        for trace in trial.traces:
            [score] = trace.assessments
            assert (score.name, score.value) in (("right_sentiment", 0.0), ("right_sentiment", 1.0))
            chats = [span for span in trace.walk() if span.name.startswith("chat")]
            assert chats
            assert "sentiment" in json.dumps(chats[-1].inputs)
    assert "$0.0000" in result.output
