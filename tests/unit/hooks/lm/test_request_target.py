"""Targets of requests: one for all calls of a model, another one once the model or its server changes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from otel_dspy.hooks.lm.request_target import MAX_TARGETS, request_target


def test_calls_of_a_model_have_one_target() -> None:
    """It is looked up by the values that it depends on, not by the model's object."""
    first = request_target(SimpleNamespace(model="openai/gpt-4o"), {"temperature": 0.5})
    assert request_target(SimpleNamespace(model="openai/gpt-4o"), {}) is first
    assert first.name == "openai/gpt-4o"
    assert first.request == {
        "provider": "openai",
        "request_model": "gpt-4o",
        "server_address": None,
        "server_port": None,
        "operation_name": "chat",
    }


@pytest.mark.parametrize("provider", ["bedrock", "mistral", "vertex_ai", "a-company"])
def test_the_provider_is_dspys_prefix_of_the_model(provider: str) -> None:
    """Also where the GenAI conventions have another name of the provider, which MLflow finds no prices by."""
    assert request_target(SimpleNamespace(model=f"{provider}/large"), {}).request["provider"] == provider


def test_a_model_that_changes_has_another_target() -> None:
    """A program may set another model, server or type between two calls."""
    lm = SimpleNamespace(model="openai/gpt-4o", model_type="chat")
    request_target(lm, {})
    lm.model, lm.model_type = "scripted", "text"
    target = request_target(lm, {"api_base": "http://user:password@localhost:8080/v1"})
    assert target.name == "scripted"
    assert target.request == {
        "provider": "simplenamespace",
        "request_model": "scripted",
        "server_address": "localhost",
        "server_port": 8080,
        "operation_name": "text_completion",
    }


@pytest.mark.parametrize("model", [None, 3, ["openai/gpt-4o"]])
def test_a_model_without_a_name_is_called_by_its_class(model: object) -> None:
    """A model's name may be anything, also what has no hash."""
    target = request_target(SimpleNamespace(model=model), {})
    assert (target.name, target.request["request_model"]) == ("SimpleNamespace", None)


def test_a_bounded_number_of_targets_is_kept() -> None:
    """A program that makes up models does not fill the memory."""
    first = request_target(SimpleNamespace(model="openai/first"), {})
    for number in range(MAX_TARGETS):
        request_target(SimpleNamespace(model=f"openai/{number}"), {})
    again = request_target(SimpleNamespace(model="openai/first"), {})
    assert again == first
    assert again is not first
