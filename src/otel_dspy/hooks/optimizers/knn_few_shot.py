"""KNNFewShot: no trials; its compile only prepares, and each call of the program compiles a BootstrapFewShot.

Source: `dspy/teleprompt/knn_fewshot.py` of dspy 3.4.1. The training set is given to the constructor, and so are the
BootstrapFewShot's arguments. Those compiles are parts of the calls that they stand in: see `call_compile.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from otel_dspy.hooks.optimizers.base import OptimizerHook

if TYPE_CHECKING:
    from collections.abc import Mapping


class KNNFewShotHook(OptimizerHook):
    """Tells the training set and how many neighbors are taken from it."""

    optimizer = "dspy.teleprompt.knn_fewshot.KNNFewShot"
    has_trials = False

    @override
    def arguments(self, optimizer: Any, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"trainset": optimizer.KNN.trainset, **arguments}

    @override
    def parameters(self, optimizer: Any, arguments: Mapping[str, Any]) -> dict[str, object]:
        values = super().parameters(optimizer, arguments)
        given: Mapping[str, object] = optimizer.few_shot_bootstrap_args
        neighbors = {"k": optimizer.KNN.k, "vectorizer": optimizer.KNN.embedding}
        return {**values, **neighbors, "few_shot_bootstrap_args": given}
