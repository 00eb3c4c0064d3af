"""Recorded calls by request, given out in the order in which they were made."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from otel_dspy.formatting.counted_nouns import counted
from otel_dspy.rerun.errors import UnknownCallError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from otel_dspy.rerun.recorded_call import Answer, RecordedCall, Request


class Recordings:
    """The answers of recorded calls. Thread-safe; copies of a model share it.

    Messages are kept as digests, so that it takes the memory of the answers.

    Args:
        calls: the recorded calls, in any order.
        rest: reads more calls, once, when a request is in none of these; None without more. Its errors are raised.
    """

    def __init__(self, calls: Iterable[RecordedCall], rest: Callable[[], Iterable[RecordedCall]] | None = None) -> None:
        self._lock = threading.Lock()
        self._rest = rest
        self._calls: dict[tuple[str, Any], list[RecordedCall]] = {}
        self._given = Counter[tuple[str, Any]]()
        self.models = Counter[str]()
        """Number of recorded calls by model."""
        self.answered = 0
        """Number of calls that were answered."""
        self.unknown = 0
        """Number of calls that were not recorded."""
        self._add(calls)
        if not self.models:
            self._read_rest()

    def _add(self, calls: Iterable[RecordedCall]) -> None:
        """Add calls whose requests are not known yet: those that are known keep their answers. An error adds none."""
        added: dict[tuple[str, Any], list[RecordedCall]] = {}
        for call in calls:
            key = call.request.model, call.request.key
            if key not in self._calls:
                added.setdefault(key, []).append(call)
        for (model, _), known in added.items():
            known.sort(key=lambda one: one.start_ns)
            self.models[model] += len(known)
        self._calls |= added

    def _read_rest(self) -> None:
        if self._rest is not None:
            self._add(self._rest())
            self._rest = None  # after an error it is read again: a call in it must not count as unknown

    def __deepcopy__(self, _memo: dict[int, Any]) -> Recordings:
        """Return itself: copies of a model take their answers from the same record."""
        return self

    def has(self, model: str) -> bool:
        """Return whether calls of a model are recorded, by its full name."""
        if model not in self.models:
            self._read_rest()
        return model in self.models

    def usual(self, model: str) -> Request | None:
        """Return the first request of a model with the settings that it has by default; None if there is none.

        That is a request of the program itself without a `rollout_id`, if there is one: optimizers set a temperature
        for proposals (COPRO) and for repeated runs of an example (SIMBA).
        """
        calls = [known[0] for (name, _), known in self._calls.items() if name == model]
        return min(calls, key=_unusual).request if calls else None

    def answer(self, request: Request) -> Answer:
        """Return the next answer to a request. After the last one that was recorded, that one is returned again.

        Raises:
            UnknownCallError: There is no such request; the message names what differs from the nearest one.
        """
        found = self.known(request)
        if found is None:
            raise UnknownCallError(self._difference(request))
        return found

    def known(self, request: Request) -> Answer | None:
        """Return the next answer to a request as `answer` does; None if there is no such request."""
        key = request.model, request.key
        with self._lock:
            if key not in self._calls:
                self._read_rest()
            known = self._calls.get(key)
            if known is None:
                self.unknown += 1
                return None
            self.answered += 1
            position = min(self._given[key], len(known) - 1)
            self._given[key] += 1
            return known[position].answer

    def _difference(self, request: Request) -> str:
        nearest = max((known[0] for known in self._calls.values()), key=lambda call: _likeness(call.request, request))
        recorded = nearest.request
        found: list[str] = []
        if recorded.model != request.model:
            found.append(f"the model is {request.model}, recorded are {', '.join(sorted(self.models))}")
        if len(recorded.messages) != len(request.messages):
            found.append(f"it has {counted(len(request.messages), 'message')}, recorded are {len(recorded.messages)}")
        for number, (one, other) in enumerate(zip(request.messages, recorded.messages, strict=False), 1):
            if one != other:
                found.append(f"message {number} ({one[0]}) has another content")
        for name in sorted({*request.settings, *recorded.settings}):
            called, known = request.settings.get(name), recorded.settings.get(name)
            if called != known:
                found.append(f"{name} is {_shown(called)}, recorded is {_shown(known)}")
        return (
            f"This call is not in the record. Compared with the nearest recorded one ({nearest.place}): "
            f"{'; '.join(found)}. Pass fallback= to send unknown calls to a model."
        )


def _unusual(call: RecordedCall) -> tuple[bool, bool, int]:
    return call.role not in {None, "task"}, "rollout_id" in call.request.settings, call.start_ns


def _likeness(recorded: Request, request: Request) -> tuple[bool, int, bool, int]:
    same = sum(one == other for one, other in zip(recorded.messages, request.messages, strict=False))
    names = {*recorded.settings, *request.settings}
    settings = sum(recorded.settings.get(name) == request.settings.get(name) for name in names)
    lengths = len(recorded.messages) == len(request.messages)
    return recorded.model == request.model, same, lengths, settings - len(names)


def _shown(value: object) -> str:
    return "not set" if value is None else repr(value)
