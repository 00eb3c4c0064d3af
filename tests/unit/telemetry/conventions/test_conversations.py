"""Conversations: which spans say so, from a block or from baggage, and that it goes where a call goes."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any, cast

import dspy
import pytest
from opentelemetry import baggage, context
from opentelemetry.baggage.propagation import W3CBaggagePropagator

from otel_dspy import conversation
from tests.behavior.model import model
from tests.behavior.programs import add
from tests.support.addition_task import addition_lm, exact, examples
from tests.support.span_recorder import recording

SESSION, STANDARD = "session.id", "gen_ai.conversation.id"


def test_every_span_of_a_turn_has_the_conversation_id() -> None:
    """Module, agent, tool and model have `session.id`; model and agent the standard's name too; what follows has none."""
    tool: Any = cast("Any", dspy.Tool)(add, name="add")
    program: Any = cast("Any", dspy.ReAct)("question -> answer", tools=[tool], max_iters=1)
    with dspy.context(lm=model()), recording() as recorder:
        with conversation("c-1"):
            program(question="1+2")
        turn = len(recorder.spans)
        program(question="1+2")
    assert [(span.attributes or {}).get(SESSION) for span in recorder.spans[:turn]] == ["c-1"] * turn
    recorded = {
        span.name.split()[0] for span in recorder.spans[:turn] if (span.attributes or {}).get(STANDARD) == "c-1"
    }
    assert recorded == {"chat", "invoke_agent"}
    assert all(not {SESSION, STANDARD} & set(span.attributes or {}) for span in recorder.spans[turn:])


def test_it_goes_into_threads_tasks_and_examples() -> None:
    """Evaluations with linked examples on threads, and awaited calls, stay in the conversation."""
    with dspy.context(lm=addition_lm()), recording() as recorder, conversation("c-1"):
        dspy.Evaluate(devset=examples(4), metric=exact, num_threads=2)(dspy.Predict("question -> answer"))
        asyncio.run(cast("Any", dspy.Predict("question -> answer")).acall(question="1+1"))
    assert len(recorder.spans) == 16
    assert [(span.attributes or {}).get(SESSION) for span in recorder.spans] == ["c-1"] * 16


def test_conversations_side_by_side() -> None:
    """Tasks at the same time have each its own, and the inner one of two blocks counts."""

    async def turn(name: str) -> None:
        with conversation(name):
            await cast("Any", dspy.Predict("question -> answer")).acall(question="1+1")

    async def both() -> None:
        await asyncio.gather(turn("a"), turn("b"))

    with dspy.context(lm=addition_lm()), recording() as recorder, conversation("outer"):
        asyncio.run(both())
    assert sorted(str((span.attributes or {})[SESSION]) for span in recorder.spans) == ["a", "a", "b", "b"]


def test_baggage_of_a_service_before() -> None:
    """The entry `session.id` is taken where no block sets another."""
    token = context.attach(baggage.set_baggage(SESSION, "from-before"))
    try:
        with dspy.context(lm=addition_lm()), recording() as recorder:
            dspy.Predict("question -> answer")(question="1+1")
            with conversation("own"):
                dspy.Predict("question -> answer")(question="1+1")
    finally:
        context.detach(token)
    assert [(span.attributes or {})[SESSION] for span in recorder.spans] == ["from-before"] * 2 + ["own"] * 2
    assert [(span.attributes or {}).get(STANDARD) for span in recorder.named("chat")] == ["from-before", "own"]


def test_a_conversation_is_not_propagated_as_baggage() -> None:
    """It is no baggage: a client that sends baggage along sends none of it."""
    carrier: dict[str, str] = {}
    with conversation("private"):
        W3CBaggagePropagator().inject(carrier)
    assert carrier == {}


@pytest.mark.parametrize("identity", [None, ""])
def test_a_request_without_a_session_has_no_conversation(
    identity: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    """Also within another conversation, and without a warning."""
    with dspy.context(lm=addition_lm()), recording() as recorder, conversation("outer"), conversation(identity):
        dspy.Predict("question -> answer")(question="1+1")
    assert [SESSION in (span.attributes or {}) for span in recorder.spans] == [False] * len(recorder.spans)
    assert recorder.spans
    assert not caplog.records


def test_an_identity_of_another_type_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    """It sets no id, and raises nothing in the request that the block answers."""
    kind = f"Session{uuid.uuid4().hex}"  # a type that no other test has passed
    session: Any = type(kind, (), {})()
    with dspy.context(lm=addition_lm()), recording() as recorder:
        for _ in range(2):
            with conversation(session):
                dspy.Predict("question -> answer")(question="1+1")
    assert [SESSION in (span.attributes or {}) for span in recorder.spans] == [False] * len(recorder.spans)
    (message,) = caplog.messages
    assert message == (
        f"conversation(identity=...): a value of type {kind} is not a text, so that these calls have no conversation id; "
        "use conversation(str(...))"
    )
