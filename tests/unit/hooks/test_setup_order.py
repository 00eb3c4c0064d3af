"""Order in which the spans of a compile's inputs end, in which MLflow receives them."""

from __future__ import annotations

import dspy
from dspy.teleprompt import BootstrapFewShotWithRandomSearch

from tests.support.addition_task import addition_lm, exact, examples
from tests.support.span_recorder import recording


def test_the_setup_of_a_compile_ends_before_its_datasets() -> None:
    """A process that ends in between leaves a run with its name and its parent, not one that is only called `compile`."""
    with dspy.context(lm=addition_lm()), recording() as recorder:
        BootstrapFewShotWithRandomSearch(exact, num_candidate_programs=1, num_threads=1).compile(
            dspy.Predict("question -> answer"), trainset=examples(3), valset=examples(4)
        )
    first: dict[object, object] = {}
    for span in recorder.spans:
        attributes = dict(span.attributes or {})
        if attributes.get("dspy.operation.name") in {"setup", "dataset"}:
            first.setdefault(attributes["dspy.compile.id"], attributes["dspy.operation.name"])
    assert len(first) > 1
    assert set(first.values()) == {"setup"}
