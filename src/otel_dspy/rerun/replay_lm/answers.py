"""Answers of a record, and of the model that gets the calls that are not in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dspy

from otel_dspy.rerun.chat_completion import answer_of
from otel_dspy.rerun.errors import RecordedCallError, UnknownCallError
from otel_dspy.rerun.request_serialization import RequestReader

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.rerun.calls_by_request import Recordings
    from otel_dspy.rerun.recorded_call import Answer


class ReplayAnswers:
    """Answers of a record. Copies of a model share it, deep ones too.

    Args:
        recordings: the recorded calls.
        capabilities: model whose supported features are reported; None for those that DSPy knows by the name.
        fallback: model that gets calls that are not in the record; None to raise.
    """

    def __init__(self, recordings: Recordings, *, capabilities: Any = None, fallback: Any = None) -> None:
        self.recordings = recordings
        self.fallback = fallback
        self._features = capabilities or fallback
        self._reader = RequestReader()

    def __deepcopy__(self, _memo: dict[int, Any]) -> ReplayAnswers:
        """Return itself: copies of a model take their answers from the same record."""
        return self

    def recorded(self, lm: Any, keywords: Mapping[str, Any], prompt: object) -> Answer | None:
        """Return the recorded answer; None if the fallback gets the call.

        Args:
            lm: the model that was called.
            keywords: of the model and the call, with the messages.
            prompt: the call's prompt; None if the keywords have messages.

        Raises:
            UnknownCallError: The call is not in the record, and there is no fallback.
            RecordedCallError: The recorded call failed.
        """
        try:
            request = self._reader.read(lm, keywords, prompt)
        except UnknownCallError:
            if self.fallback is None:
                raise
            return None
        recordings = self.recordings
        answer = recordings.answer(request) if self.fallback is None else recordings.known(request)
        if answer is not None and answer.error is not None:
            raise RecordedCallError(f"The recorded call failed: {answer.error}")
        return answer

    def answer(self, lm: Any, keywords: Mapping[str, Any], prompt: object) -> Answer:
        """Return the recorded answer or the fallback's.

        Args:
            lm: see `recorded`.
            keywords: see `recorded`.
            prompt: see `recorded`.

        Raises:
            UnknownCallError: The call is not in the record, and there is no fallback.
            RecordedCallError: The recorded call failed.
        """
        found = self.recorded(lm, keywords, prompt)
        if found is not None:
            return found
        if isinstance(self.fallback, Replaying):  # its errors as they are, which DSPy wraps
            return self.fallback.answers.answer(self.fallback, {**self.fallback.kwargs, **keywords}, prompt)
        settings = {name: value for name, value in keywords.items() if name != "messages"}
        if isinstance(getattr(prompt, "model", None), str):  # an explicit lm15.Request, which has its settings
            settings = {name: value for name, value in settings.items() if name == "rollout_id"}
        return answer_of(self.fallback.forward(prompt=prompt, messages=keywords.get("messages"), **settings))

    def feature(self, name: str, model: str) -> Any:
        """Return a property of the model whose features are reported; None if it has none of this name.

        Args:
            name: name of the property, such as `supports_reasoning`.
            model: name of the model.
        """
        if self._features is None:
            self._features = dspy.LM(model)
        return getattr(self._features, name, None)


class Replaying:
    """What a language model that answers from a record has on all versions of DSPy.

    Attributes:
        model: its name.
        kwargs: default settings of requests.
        answers: the record, and the model that gets the rest.
    """

    model: str
    kwargs: dict[str, Any]
    answers: ReplayAnswers

    @property
    def recordings(self) -> Recordings:
        """The recorded calls; `answered` and `unknown` count the calls so far."""
        return self.answers.recordings

    @property
    def fallback(self) -> Any:
        """The model that gets calls that are not in the record; None to raise."""
        return self.answers.fallback

    @property
    def supports_function_calling(self) -> bool:
        """Whether the model supports tools."""
        return bool(self.answers.feature("supports_function_calling", self.model))

    @property
    def supports_reasoning(self) -> bool:
        """Whether the model has reasoning of its own."""
        return bool(self.answers.feature("supports_reasoning", self.model))

    @property
    def supports_response_schema(self) -> bool:
        """Whether the model takes a JSON schema."""
        return bool(self.answers.feature("supports_response_schema", self.model))

    @property
    def supported_params(self) -> set[str]:
        """Names of the settings that the model takes."""
        return set(self.answers.feature("supported_params", self.model) or ())
