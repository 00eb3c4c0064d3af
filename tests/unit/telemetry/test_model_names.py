from __future__ import annotations

import pytest

from otel_dspy.telemetry.model_names import ModelNames
from otel_dspy.telemetry.secrets.scrubber import SecretKeeper

KEY = "planted-key-0123456789abcdef"


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("openai/gpt-4o-mini", "openai/gpt-4o-mini"),
        ("vertex_ai/claude@2026 (eu)", "vertex_ai/claude@2026 (eu)"),
        ("ollama/モデル", "ollama/モデル"),
        ("a\x00b\ud800c\n", "a_b\ufffdc_"),
        ("x" * 1_000, "x" * 100),
        ("  ", "_"),
    ],
)
def test_names(model: str, name: str) -> None:
    """What an exporter or a store would reject is replaced; the length has a bound."""
    assert ModelNames(SecretKeeper().scrub).of(model) == name


def test_a_secret_in_a_name_is_redacted() -> None:
    """An attribute's name is not seen by the redaction of values."""
    keeper = SecretKeeper()
    keeper.learn_from({"api_key": KEY})
    assert KEY not in ModelNames(keeper.scrub).of(f"openai/{KEY}")


def test_many_names() -> None:
    """A program with a new name for each call gets each name, and the cache does not grow without bound."""
    names = ModelNames(SecretKeeper().scrub)
    assert [names.of(f"m/{number}") for number in range(1_000)] == [f"m/{number}" for number in range(1_000)]
    assert len(names._known) <= 256
