from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import dspy
import numpy as np
import pytest

from otel_dspy.telemetry.parameter_attributes import parameter_attributes, plain_value
from otel_dspy.telemetry.secrets.scrubber import REDACTED, SecretKeeper

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue


class Hostile:
    """Raises when it is looked at."""

    def __getattr__(self, name: str) -> NoReturn:
        """Raise."""
        raise RuntimeError(name)


def exact(_example: dspy.Example, _prediction: dspy.Prediction) -> bool:
    """A metric."""
    return True


@pytest.mark.parametrize(
    ("value", "attribute"),
    [
        (True, True),
        (3, 3),
        (2**63 - 1, 2**63 - 1),
        (2**63, str(2**63)),
        (0.5, 0.5),
        ("light", "light"),
        (None, None),
        ([1, 2], [1, 2]),
        (("a", "b"), ["a", "b"]),
        ({"b", "a"}, ["a", "b"]),
        ([True, False], [True, False]),
        ([], None),
        ([1, "a"], None),
        ([1, True], None),
        ([None], None),
        ([[1]], None),
        ([1, float("nan")], None),
        ({"a": 1}, None),
        (np.float64(0.5), 0.5),
        (np.int64(3), 3),
        (np.array([1, 2]), [1, 2]),
        (exact, "exact"),
        (dspy.Evaluate, "Evaluate"),
        (functools.partial(exact), None),
        (object(), None),
        (b"raw", None),
    ],
)
def test_what_becomes_of_a_parameter(value: object, attribute: AttributeValue | None) -> None:
    """Plain values keep their type, as far as an attribute can; the rest is left out."""
    result = plain_value(value, SecretKeeper())
    assert result == attribute
    assert type(result) is type(attribute)


def test_a_language_model_is_named_by_its_model() -> None:
    """Nothing else of it is recorded."""
    lm = dspy.LM("openai/gpt-4o-mini", api_key="planted-key", extra_headers={"X": "planted-header"})
    assert plain_value(lm, SecretKeeper()) == "openai/gpt-4o-mini"


def test_secrets_are_left_out_remembered_and_found_elsewhere() -> None:
    """A parameter with a secret's name is never recorded, and its value is taken out of the other ones."""
    secrets = SecretKeeper()
    parameters: dict[str, Any] = {
        "wandb_api_key": "planted-key",
        "extra_headers": {"X-Own": "planted-header"},
        "max_tokens": 5,
        "note": "uses planted-key",
        "notes": ["planted-header", "http://me:pw@host"],
    }
    assert parameter_attributes("p.", parameters, secrets) == {
        "p.max_tokens": 5,
        "p.note": f"uses {REDACTED}",
        "p.notes": [REDACTED, f"http://{REDACTED}@host"],
    }


def test_a_dict_is_recorded_by_key() -> None:
    """Down to two levels, by keys that are strings; objects by their class; a secret's name holds at each level."""
    parameters: dict[str, Any] = {
        "train_kwargs": {
            "epochs": 2,
            3: "no string",
            "api_key": "planted-key",
            "by": {"a": 1, "c": {"too": {"deep": 1}}},
        },
        "log_dir": Path("logs"),
        "selector": functools.partial(exact),
    }
    assert parameter_attributes("p.", parameters, SecretKeeper()) == {
        "p.train_kwargs.epochs": 2,
        "p.train_kwargs.by.a": 1,
        "p.log_dir": "logs",
        "p.selector": "partial",
    }


def test_one_bad_parameter_costs_itself_alone() -> None:
    """An object that raises when it is looked at, or a number without end, leaves the others standing."""
    parameters = {"first": 1, "bad": Hostile(), "huge": 10**5000, "last": 2}
    assert parameter_attributes("p.", parameters, SecretKeeper()) == {
        "p.first": 1,
        "p.huge": hex(10**5000),
        "p.last": 2,
    }
