"""A stand-in for TypeSafe's SDK, whose service answers decision requests; DSPy's client imports it at each call."""

from __future__ import annotations

import sys
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, Self

if TYPE_CHECKING:
    import pytest

INPUT_TOKENS: Final = 40
OUTPUT_TOKENS: Final = 2


class DecisionService:
    """Answers each question with the same probability of True.

    Args:
        noul: the probability.
        fails: what each request raises; None if it is answered.

    Attributes:
        requests: the keywords of each request.
        clients: the keywords of each client.
    """

    def __init__(self, noul: float, fails: Exception | None = None) -> None:
        self._noul = noul
        self._fails = fails
        self.requests: list[dict[str, Any]] = []
        self.clients: list[dict[str, Any]] = []

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put the SDK's module in place."""
        module: Any = ModuleType("typesafe_sdk")
        module.TypeSafeClient = partial(_Client, self)
        module.AsyncTypeSafeClient = partial(_AsyncClient, self)
        monkeypatch.setitem(sys.modules, "typesafe_sdk", module)

    def answer(self, **request: Any) -> Any:
        """The SDK's response to a request."""
        self.requests.append(request)
        if self._fails is not None:
            raise self._fails
        answer = SimpleNamespace(noul=self._noul, confidence=0.9)
        return SimpleNamespace(
            model="jev-2026",
            usage=SimpleNamespace(input_tokens=INPUT_TOKENS, output_tokens=OUTPUT_TOKENS),
            answers=dict.fromkeys(request["questions"], answer),
        )


class _Client:
    def __init__(self, service: DecisionService, **settings: Any) -> None:
        service.clients.append(settings)
        self.system_one = service.answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class _AsyncClient:
    def __init__(self, service: DecisionService, **settings: Any) -> None:
        service.clients.append(settings)
        self._service = service

    async def system_one(self, **request: Any) -> Any:
        """The response."""
        return self._service.answer(**request)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass
