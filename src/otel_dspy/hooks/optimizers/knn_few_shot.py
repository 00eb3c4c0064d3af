"""Hook for KNNFewShot, whose program runs a BootstrapFewShot compile in each call. No trials.

Source: `dspy/teleprompt/knn_fewshot.py` of dspy 3.4.1. The constructor receives the training set and the arguments of
BootstrapFewShot. The compiles inside of calls are recorded as part of the calls: see `compile_in_call.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from typing_extensions import override

from otel_dspy.hooks.optimizers.base import OptimizerHook

if TYPE_CHECKING:
    from collections.abc import Mapping


class KNNFewShotHook(OptimizerHook):
    """Records the training set and the number of neighbors."""

    optimizer = "dspy.teleprompt.knn_fewshot.KNNFewShot"
    compiles_without_calls = True
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
