from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy
import pytest

from otel_dspy.hooks.patching.capabilities import part
from tests.support.span_recorder import recording
from tests.versions.scenario import Sums

if TYPE_CHECKING:
    from tests.support.span_recorder import Recorder

ANSWER = "[[ ## answer ## ]]\n2\n\n[[ ## completed ## ]]"


class OwnLM(dspy.BaseLM):
    """A user's model that answers as OpenAI does."""

    def forward(self, prompt: Any = None, messages: Any = None, **kwargs: Any) -> Any:
        """Answer."""
        from litellm.types.utils import ModelResponse  # noqa: PLC0415 - LiteLLM takes seconds

        del prompt, messages, kwargs
        return ModelResponse(
            id="own-1",
            model="own-2026",
            choices=[{"finish_reason": "stop", "message": {"role": "assistant", "content": ANSWER}}],
            usage={"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
        )


def _typed_lm() -> Any:
    """One that DSPy 3.3 asks with a typed request."""
    response: Any = part("dspy:LMResponse")

    class TypedLM(dspy.BaseLM):
        forward_contract = "typed_lm"

        def forward(self, request: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride] - DSPy's own contract
            del request
            return response.from_text(
                ANSWER, model="own-2026", response_id="own-1", usage={"input_tokens": 3, "output_tokens": 4}
            )

    return TypedLM("own/model")


def _recorded(recorder: Recorder) -> dict[str, Any]:
    [call] = recorder.attributes_of("chat")
    names = ("response.model", "response.id", "usage.input_tokens", "usage.output_tokens")
    return {name: call.get(f"gen_ai.{name}") for name in names} | {"hit": call["lm.cache_hit"]}


TOLD = {
    "response.model": "own-2026",
    "response.id": "own-1",
    "usage.input_tokens": 3,
    "usage.output_tokens": 4,
    "hit": False,
}


def test_a_model_of_the_users_own() -> None:
    """A `BaseLM` of the user's is one call with the data of its response."""
    with recording() as recorder, dspy.context(lm=OwnLM("own/model")):
        assert Sums()(question="1+1").answer == "2"
    assert _recorded(recorder) == TOLD


def test_a_typed_model_of_the_users_own() -> None:
    """One that answers typed requests (DSPy 3.3) as well."""
    if not hasattr(dspy.BaseLM, "_finalize_lm_response"):
        pytest.skip("this DSPy has no typed contract of 3.3")
    with recording() as recorder, dspy.context(lm=_typed_lm()):
        assert Sums()(question="1+1").answer == "2"
    assert _recorded(recorder) == TOLD
