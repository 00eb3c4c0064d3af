"""MLflow's simulated conversations with a DSPy program: their traces have session, goal and expectations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import dspy
import pytest
from mlflow.genai import simulators

from tests.integration.mlflow.fluent_calls import fluent_experiment
from tests.support.lm_server import scripted_lm

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.support.mlflow_server import MlflowServer

_LANDS = ("France", "Peru")


class _User(cast("type[Any]", simulators.BaseSimulatedUserAgent)):  # MLflow types it in part
    """Asks for its goal."""

    def generate_message(self, context: Any) -> str:
        """One question."""
        return f"Name the {context.goal}."


@pytest.fixture
def experiment(server: MlflowServer) -> Generator[str]:
    """A fresh experiment that MLflow is set to, with `autolog` on."""
    with fluent_experiment(server.uri) as name:
        yield name


@pytest.mark.usefixtures("experiment")
def test_traces_have_session_goal_and_expectations(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow sets the first two by `mlflow.tracing.context`, and writes the expectations at once after the call."""
    answering: Any = cast("Any", dspy.Predict)("question -> answer")
    lm: Any = cast("Any", dspy).settings.lm

    def program(input: list[dict[str, str]], **_: object) -> dict[str, object]:  # noqa: A002 - MLflow's name
        with dspy.context(lm=lm):
            text = answering(question=input[-1]["content"]).answer
        part = {"type": "output_text", "text": text}
        return {"output": [{"type": "message", "role": "assistant", "content": [part]}]}

    cases = [{"goal": f"capital of {land}", "expectations": {"land": land}} for land in _LANDS]
    with scripted_lm(lambda _: '{"rationale": "It is named.", "result": "yes"}') as server:
        monkeypatch.setenv("OPENAI_API_KEY", "sk-planted")
        monkeypatch.setenv("OPENAI_API_BASE", server.api_base)
        simulator: Any = cast("Any", simulators.ConversationSimulator)(
            cases, max_turns=1, user_model="openai:/user", user_agent_class=_User
        )
        conversations: list[list[Any]] = simulator.simulate(program)
    found: list[Any] = [trace for conversation in conversations for trace in conversation]
    assert [one.info.trace_metadata["mlflow.simulation.goal"] for one in found] == [
        f"capital of {land}" for land in _LANDS
    ]
    assert len({one.info.trace_metadata["mlflow.trace.session"] for one in found}) == len(_LANDS)
    assert [[each.value for each in one.search_assessments("land")] for one in found] == [[land] for land in _LANDS]
