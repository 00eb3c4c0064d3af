"""Ctrl-C at any call, as it stands in MLflow: what was open is KILLED, what was over is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from inline_snapshot import snapshot

from tests.support.breakable_optimizations import OPTIMIZATIONS, calls_of, outcome
from tests.support.breaking_point import BreakingPoint
from tests.support.optimizer_runs import tracked_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from tests.support.mlflow_tree import RunNode


def _drawn(run: RunNode) -> list[tuple[str, str]]:
    return [(node.name, node.status) for node in run.walk()]


@pytest.mark.parametrize(("at", "phase"), [(1, "sample"), (8, "build"), (10, "score"), (22, "validate")])
def test_simba_interrupted_in_mlflow(tmp_path: Path, at: int, phase: str) -> None:
    """Ctrl-C while it samples, builds, scores or validates: the compile and what was open is KILLED."""
    _, tree = tracked_tree(tmp_path, lambda: outcome(OPTIMIZATIONS["SIMBA"], BreakingPoint(at, KeyboardInterrupt())))
    (run,) = tree.runs
    assert (
        _drawn(run)
        == {
            "sample": snapshot([("SIMBA Predict", "KILLED")]),
            "build": snapshot([("SIMBA Predict", "KILLED"), ("trial 0: step 0, candidate 0", "KILLED")]),
            "score": snapshot(
                [
                    ("SIMBA Predict", "KILLED"),
                    ("trial 0: step 0, candidate 0", "KILLED"),
                    ("trial 1: step 0, candidate 1", "KILLED"),
                ]
            ),
            "validate": snapshot(
                [
                    ("SIMBA Predict", "KILLED"),
                    ("trial 0: step 0, candidate 0", "FINISHED"),
                    ("trial 1: step 0, candidate 1", "FINISHED"),
                    ("trial 2: start, validation 0", "KILLED"),
                    ("trial 3: validation 1", "KILLED"),
                ]
            ),
        }[phase]
    )


@pytest.mark.parametrize("name", ["COPRO", "BootstrapFewShot", "InferRules", "BootstrapFewShotWithOptuna"])
def test_interrupted_in_mlflow(tmp_path: Path, name: str) -> None:
    """Ctrl-C at the last call: the compile and the trial that was open are KILLED, what was over before is not."""
    optimize = OPTIMIZATIONS[name]
    last = calls_of(optimize) - 1
    _, tree = tracked_tree(tmp_path, lambda: outcome(optimize, BreakingPoint(last, KeyboardInterrupt())))
    (run,) = tree.runs
    assert (
        _drawn(run)
        == {
            "COPRO": snapshot(
                [
                    ("COPRO Predict", "KILLED"),
                    ("trial 0: depth 0, self, candidate 0", "FINISHED"),
                    ("trial 1: start, depth 0, self, candidate 1", "FINISHED"),
                    ("trial 2: depth 1, self, candidate 0", "FINISHED"),
                    ("trial 3: depth 1, self, candidate 1", "KILLED"),
                ]
            ),
            "BootstrapFewShot": snapshot([("BootstrapFewShot Predict", "KILLED")]),
            "InferRules": snapshot(
                [
                    ("InferRules Predict", "KILLED"),
                    ("LabeledFewShot Predict", "FINISHED"),
                    ("trial 0: candidate 0", "FINISHED"),
                    ("trial 1: candidate 1", "KILLED"),
                ]
            ),
            "BootstrapFewShotWithOptuna": snapshot(
                [
                    ("BootstrapFewShotWithOptuna Predict", "KILLED"),
                    ("BootstrapFewShot Predict", "FINISHED"),
                    ("LabeledFewShot Predict", "FINISHED"),
                    ("trial 0: demo 0", "FINISHED"),
                    ("trial 1: demo 0", "KILLED"),
                ]
            ),
        }[name]
    )


def _nested(run: RunNode, depth: int = 0) -> Iterator[str]:
    """A line a run, indented: name, status and kind of error. Nested compiles stand before the trials, by name."""
    error = run.tags.get("error.type")
    yield "  " * depth + f"{run.name}: {run.status}" + (f" {error}" if error else "")
    # Not by start: two may begin in one millisecond.
    for child in sorted(run.children, key=lambda child: (int(child.tags.get("dspy.trial.index", -1)), child.name)):
        yield from _nested(child, depth + 1)


INTERRUPTED: Final[Mapping[tuple[str, int], list[str]]] = {
    ("MIPROv2", 0): snapshot(
        [
            "MIPROv2 Predict: KILLED KeyboardInterrupt",
            "  BootstrapFewShot Predict: KILLED KeyboardInterrupt",
            "    LabeledFewShot Predict: FINISHED",
            "  LabeledFewShot Predict: FINISHED",
        ]
    ),
    ("MIPROv2", 4): snapshot(
        [
            "MIPROv2 Predict: KILLED KeyboardInterrupt",
            "  BootstrapFewShot Predict: FINISHED",
            "    LabeledFewShot Predict: FINISHED",
            "  LabeledFewShot Predict: FINISHED",
        ]
    ),
    ("MIPROv2", 8): snapshot(
        [
            "MIPROv2 Predict: KILLED KeyboardInterrupt",
            "  BootstrapFewShot Predict: FINISHED",
            "    LabeledFewShot Predict: FINISHED",
            "  LabeledFewShot Predict: FINISHED",
            "  trial 0: start: KILLED KeyboardInterrupt",
        ]
    ),
    ("MIPROv2", 12): snapshot(
        [
            "MIPROv2 Predict: KILLED KeyboardInterrupt",
            "  BootstrapFewShot Predict: FINISHED",
            "    LabeledFewShot Predict: FINISHED",
            "  LabeledFewShot Predict: FINISHED",
            "  trial 0: start: FINISHED",
            "  trial 1: instruction 2 + demos 0: KILLED KeyboardInterrupt",
        ]
    ),
    ("BootstrapFewShotWithRandomSearch", 0): snapshot(
        [
            "BootstrapFewShotWithRandomSearch Predict: KILLED KeyboardInterrupt",
            "  trial 0: start, seed -3: KILLED KeyboardInterrupt",
        ]
    ),
    ("BootstrapFewShotWithRandomSearch", 8): snapshot(
        [
            "BootstrapFewShotWithRandomSearch Predict: KILLED KeyboardInterrupt",
            "  trial 0: start, seed -3: FINISHED",
            "  trial 1: seed -2: FINISHED",
            "    LabeledFewShot Predict: FINISHED",
            "  trial 2: seed -1: KILLED KeyboardInterrupt",
            "    BootstrapFewShot Predict: KILLED KeyboardInterrupt",
            "      LabeledFewShot Predict: FINISHED",
        ]
    ),
    ("BootstrapFewShotWithRandomSearch", 19): snapshot(
        [
            "BootstrapFewShotWithRandomSearch Predict: KILLED KeyboardInterrupt",
            "  trial 0: start, seed -3: FINISHED",
            "  trial 1: seed -2: FINISHED",
            "    LabeledFewShot Predict: FINISHED",
            "  trial 2: seed -1: FINISHED",
            "    BootstrapFewShot Predict: FINISHED",
            "      LabeledFewShot Predict: FINISHED",
            "  trial 3: seed 0: KILLED KeyboardInterrupt",
            "    BootstrapFewShot Predict: FINISHED",
            "      LabeledFewShot Predict: FINISHED",
        ]
    ),
    ("BetterTogether", 0): snapshot(
        ["BetterTogether Predict: KILLED KeyboardInterrupt", "  trial 0: start, no step: KILLED KeyboardInterrupt"]
    ),
    ("BetterTogether", 9): snapshot(
        [
            "BetterTogether Predict: KILLED KeyboardInterrupt",
            "  trial 0: start, no step: FINISHED",
            "  trial 1: l: FINISHED",
            "    LabeledFewShot Predict: FINISHED",
            "  trial 2: l -> p: KILLED KeyboardInterrupt",
            "    BootstrapFewShotWithRandomSearch Predict: KILLED KeyboardInterrupt",
            "      trial 0: start, seed -3: KILLED KeyboardInterrupt",
        ]
    ),
    ("BetterTogether", 17): snapshot(
        [
            "BetterTogether Predict: KILLED KeyboardInterrupt",
            "  trial 0: start, no step: FINISHED",
            "  trial 1: l: FINISHED",
            "    LabeledFewShot Predict: FINISHED",
            "  trial 2: l -> p: KILLED KeyboardInterrupt",
            "    BootstrapFewShotWithRandomSearch Predict: KILLED KeyboardInterrupt",
            "      trial 0: start, seed -3: FINISHED",
            "      trial 1: seed -2: FINISHED",
            "        LabeledFewShot Predict: FINISHED",
            "      trial 2: seed -1: KILLED KeyboardInterrupt",
            "        BootstrapFewShot Predict: KILLED KeyboardInterrupt",
            "          LabeledFewShot Predict: FINISHED",
        ]
    ),
    ("BetterTogether", 33): snapshot(
        [
            "BetterTogether Predict: KILLED KeyboardInterrupt",
            "  trial 0: start, no step: FINISHED",
            "  trial 1: l: FINISHED",
            "    LabeledFewShot Predict: FINISHED",
            "  trial 2: l -> p: KILLED KeyboardInterrupt",
            "    BootstrapFewShotWithRandomSearch Predict: FINISHED",
            "      trial 0: start, seed -3: FINISHED",
            "      trial 1: seed -2: FINISHED",
            "        LabeledFewShot Predict: FINISHED",
            "      trial 2: seed -1: FINISHED",
            "        BootstrapFewShot Predict: FINISHED",
            "          LabeledFewShot Predict: FINISHED",
            "      trial 3: seed 0: FINISHED",
            "        BootstrapFewShot Predict: FINISHED",
            "          LabeledFewShot Predict: FINISHED",
        ]
    ),
    ("BootstrapFinetune", 0): snapshot(["BootstrapFinetune Twice: KILLED KeyboardInterrupt"]),
    ("BootstrapFinetune", 11): snapshot(["BootstrapFinetune Twice: KILLED KeyboardInterrupt"]),
    ("GRPO", 0): snapshot(
        ["GRPO Predict: KILLED KeyboardInterrupt", "  trial 0: start, before training: KILLED KeyboardInterrupt"]
    ),
    ("GRPO", 19): snapshot(
        [
            "GRPO Predict: KILLED KeyboardInterrupt",
            "  trial 0: start, before training: FINISHED",
            "  trial 1: train step 0: KILLED KeyboardInterrupt",
        ]
    ),
    ("GRPO", 37): snapshot(
        [
            "GRPO Predict: KILLED KeyboardInterrupt",
            "  trial 0: start, before training: FINISHED",
            "  trial 1: train step 0: FINISHED",
            "  trial 2: train step 1: KILLED KeyboardInterrupt",
        ]
    ),
    ("ReAnchor", 0): snapshot(
        ["ReAnchor Predict: KILLED KeyboardInterrupt", "  trial 0: start: KILLED KeyboardInterrupt"]
    ),
    ("ReAnchor", 20): snapshot(
        [
            "ReAnchor Predict: KILLED KeyboardInterrupt",
            "  trial 0: start: FINISHED",
            "  trial 1: validation before: FINISHED",
            "  trial 2: before the next output: FINISHED",
            "  trial 3: self.large: observed: FINISHED",
            "  trial 4: self.large: start: FINISHED",
            "  trial 5: self.large: threshold: KILLED KeyboardInterrupt",
        ]
    ),
    ("ReAnchor", 39): snapshot(
        [
            "ReAnchor Predict: KILLED KeyboardInterrupt",
            "  trial 0: start: FINISHED",
            "  trial 1: validation before: FINISHED",
            "  trial 2: before the next output: FINISHED",
            "  trial 3: self.large: observed: FINISHED",
            "  trial 4: self.large: start: FINISHED",
            "  trial 5: self.large: threshold: FINISHED",
            "  trial 6: self.large: threshold: FINISHED",
            "  trial 7: self.large: threshold: FINISHED",
            "  trial 8: calibrated: FINISHED",
            "  trial 9: validation after: KILLED KeyboardInterrupt",
        ]
    ),
}
"""What stands in MLflow by optimizer and number of the call, from 0, at which Ctrl-C comes."""


_AS_LATER: Final = {("MIPROv2", 8), ("BetterTogether", 9), ("BootstrapFinetune", 0), ("GRPO", 19), ("ReAnchor", 20)}
"""What is open then is open too when a later call of the same optimizer breaks."""


@pytest.mark.parametrize(
    ("name", "at"), [pytest.param(*at, marks=[pytest.mark.slow] if at in _AS_LATER else []) for at in INTERRUPTED]
)
def test_interrupted_at_several_calls_in_mlflow(tmp_path: Path, name: str, at: int) -> None:
    """Ctrl-C first, midway and last: compile, nested compile and trial then open are KILLED, the others FINISHED."""
    optimize = OPTIMIZATIONS[name]
    found, tree = tracked_tree(tmp_path, lambda: outcome(optimize, BreakingPoint(at, KeyboardInterrupt())))
    assert found[0] is KeyboardInterrupt
    (run,) = tree.runs
    assert list(_nested(run)) == INTERRUPTED[name, at]
    for node in run.walk():
        assert node.tags.get("dspy.trial.state") != "complete" or node.status == "FINISHED"
        assert (node.status == "KILLED") == (node.tags.get("error.type") == "KeyboardInterrupt")
