from __future__ import annotations

from otel_dspy.telemetry.tallies.example_tally import ExampleFailure, ExampleTally


def test_a_tally_adds_to_those_around() -> None:
    """The first failure is that of each tally by itself; `all` is true only where no example succeeded."""
    compiled = ExampleTally()
    first, second = ExampleTally(compiled), ExampleTally(compiled)
    assert first.attributes() == compiled.attributes() == {}
    first.add(None)
    assert compiled.attributes() == {}
    second.add(ExampleFailure("ValueError", "no verdict"))
    second.add(ExampleFailure("TypeError", "no number"))
    first.add(ExampleFailure("KeyError", "'answer'"))
    assert first.attributes() == {
        "dspy.failures.examples": 1,
        "dspy.failures.all": False,
        "dspy.failures.first.type": "KeyError",
        "dspy.failures.first.message": "'answer'",
    }
    assert second.attributes() == {
        "dspy.failures.examples": 2,
        "dspy.failures.all": True,
        "dspy.failures.first.type": "ValueError",
        "dspy.failures.first.message": "no verdict",
    }
    assert compiled.attributes() == {
        "dspy.failures.examples": 3,
        "dspy.failures.all": False,
        "dspy.failures.first.type": "ValueError",
        "dspy.failures.first.message": "no verdict",
    }
