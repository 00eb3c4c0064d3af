"""Parameters of a run of gepa: the arguments of the call, and the effective settings of the engine."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ENTRIES: Final = frozenset({"gepa.api", "gepa.optimize_anything"})
_DATA: Final = frozenset({"seed_candidate", "trainset", "dataset", "valset", "callbacks", "logger", "config"})
"""Arguments that are recorded elsewhere or do not affect the search."""
_TEXTS: Final = frozenset({"reflection_prompt_template", "objective", "background"})
"""Arguments that are prompts or parts of prompts."""
_NAMES: Final = {
    "AllImprovements": "all_improvements",
    "AllReflectionComponentSelector": "all",
    "CurrentBestCandidateSelector": "current_best",
    "EpochShuffledBatchSampler": "epoch_shuffled",
    "EpsilonGreedyCandidateSelector": "epsilon_greedy",
    "FullEvaluationPolicy": "full_eval",
    "ImprovementOrEqualAcceptance": "improvement_or_equal",
    "ParetoCandidateSelector": "pareto",
    "RoundRobinReflectionComponentSelector": "round_robin",
    "StrictImprovementAcceptance": "strict_improvement",
    "TopKParetoCandidateSelector": "top_k_pareto",
}
"""gepa's classes and the names that `gepa.optimize` accepts for them."""
_ENGINE: Final = (
    "run_dir",
    "perfect_score",
    "seed",
    "frontier_type",
    "track_best_outputs",
    "display_progress_bar",
    "raise_on_exception",
    "use_cloudpickle",
    "val_evaluation_policy",
    "acceptance_criterion",
    "selection_strategy",
    "num_parallel_proposals",
)
_PROPOSER: Final = {
    "candidate_selector": "candidate_selection_strategy",
    "module_selector": "module_selector",
    "batch_sampler": "batch_sampler",
    "skip_perfect_score": "skip_perfect_score",
    "sampling_strategy": "sampling_strategy",
    "custom_candidate_proposer": "custom_candidate_proposer",
    "reflection_lm": "reflection_lm",
}
"""Attributes of gepa's `ReflectiveMutationProposer` -> the arguments that set them."""
_MERGE: Final = {
    "use_merge": "use_merge",
    "max_merge_invocations": "max_merge_invocations",
    "val_overlap_floor": "merge_val_overlap_floor",
}


def call_arguments(engine: Any) -> dict[str, Any]:
    """Return the arguments of gepa's entry point that created the engine, by name; empty for other callers.

    They are read from its stack frame, because a function that was imported before instrumentation can't be wrapped.
    """
    frame = inspect.currentframe()
    while frame is not None:
        if frame.f_globals.get("__name__") in _ENTRIES and frame.f_locals.get("engine") is engine:
            code = frame.f_code
            names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
            return {name: frame.f_locals[name] for name in names}
        frame = frame.f_back
    return {}


def run_parameters(engine: Any, call: Mapping[str, Any], *, texts: bool) -> dict[str, object]:
    """Return the parameters of a run by name.

    Args:
        engine: the `GEPAEngine` that runs.
        call: the result of `call_arguments`.
        texts: whether prompts may be recorded.
    """
    given = {name: value for name, value in _flat(call) if name not in _DATA and value is not None}
    found = {**_effective(engine), **{name: _readable(value) for name, value in given.items()}}
    found["components"] = sorted(engine.seed_candidate)
    return {name: value for name, value in found.items() if value is not None and (texts or name not in _TEXTS)}


def _flat(call: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the arguments, and the fields of `optimize_anything`'s `config` as arguments."""
    yield from call.items()
    config = call.get("config")
    for name, part in _fields(config):
        if not dataclasses.is_dataclass(part):
            yield name, part
            continue
        prefix = "refiner." if name == "refiner" else ""
        for inner, value in _fields(part):
            yield prefix + inner, value


def _fields(record: Any) -> Iterator[tuple[str, Any]]:
    if dataclasses.is_dataclass(record):
        for field in dataclasses.fields(record):
            yield field.name, getattr(record, field.name, None)


def _effective(engine: Any) -> dict[str, object]:
    proposer, merge = engine.reflective_proposer, engine.merge_proposer
    sampler = getattr(proposer, "batch_sampler", None)
    return {
        **{name: _readable(getattr(engine, name, None)) for name in _ENGINE},
        **{name: _readable(getattr(proposer, held, None)) for held, name in _PROPOSER.items()},
        **{name: getattr(merge, held, None) for held, name in _MERGE.items()},
        "use_merge": merge is not None,
        "reflection_minibatch_size": getattr(sampler, "minibatch_size", None),
        "max_metric_calls": metric_calls_allowed(engine.stop_callback),
        "cache_evaluation": getattr(engine, "_initial_evaluation_cache", None) is not None,
        "adapter": type(engine.adapter).__name__,
        "evaluator": getattr(engine.adapter, "evaluator", None),
    }


def metric_calls_allowed(stopper: Any) -> int | None:
    """Return the limit of metric calls among a run's stoppers; None if there is none."""
    for one in (stopper, *(getattr(stopper, "stoppers", None) or ())):
        limit = getattr(one, "max_metric_calls", None)
        if isinstance(limit, int):
            return limit
    return None


def _readable(value: Any) -> object:
    """Return gepa's name for an instance of one of its classes, and the user's function for a model around it.

    Other values are returned unchanged, sequences as lists of names.
    """
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_name(item) for item in cast("Sequence[object]", value)]
    cls = cast("type[Any]", type(value))
    if not cls.__module__.startswith("gepa."):
        return value
    if cls.__name__ == "TrackingLM":  # around the user's function
        return getattr(cast("object", value), "_fn", value)
    return _NAMES.get(cls.__name__, value)


def _name(value: object) -> object:
    if isinstance(value, bool | int | float | str):
        return value
    return getattr(value, "__name__", type(value).__name__)
