"""Parameters of every optimizer that the installed DSPy has: those of its constructor, and the values that it used."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, Final

import dspy
import pytest
from dspy.teleprompt.teleprompt import Teleprompter

from otel_dspy.hooks.optimizers.hook_registry import HookRegistry
from otel_dspy.hooks.patching.capabilities import part
from otel_dspy.telemetry.parameter_attributes import parameter_attributes
from otel_dspy.telemetry.secrets.names import is_secret_name
from otel_dspy.telemetry.secrets.scrubber import SecretKeeper
from tests.support.span_recorder import recording
from tests.versions.scenario import exact, examples, feedback, numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

for _module in ("avatar_optimizer", "grpo", "infer_rules", "reanchor", "signature_opt", "teleprompt_optuna"):
    part(f"dspy.teleprompt.{_module}:__name__")  # defines its classes, if this DSPy has it

BASE: Final[Mapping[str, Mapping[str, Any]]] = {
    "GEPA": {"metric": feedback, "auto": "light", "reflection_lm": dspy.LM("openai/reflecting")},
    "GRPO": {"metric": exact, "exclude_demos": True},
    "MIPROv2": {
        "metric": exact, "auto": "light",
        "prompt_model": dspy.LM("openai/prompting"), "task_model": dspy.LM("openai/working"),
    },
    "KNNFewShot": {"k": 3, "trainset": examples(4), "vectorizer": dspy.Embedder(numbers), "metric": exact},
    "BetterTogether": {"metric": exact},
}  # fmt: skip
"""Arguments without which a constructor raises, or would ask for a language model."""

TOGETHER: Final[Mapping[tuple[str, str], Mapping[str, Any]]] = {
    ("GEPA", "max_full_evals"): {"auto": None},
    ("GEPA", "max_metric_calls"): {"auto": None},
    ("GEPA", "track_best_outputs"): {"track_stats": True},
    ("GEPA", "auto"): {"auto": "medium"},
    ("GRPO", "variably_invoked_predictor_fill_strategy"): {"variably_invoked_predictor_fill_strategy": "max"},
    ("GRPO", "use_train_as_val"): {"report_train_scores": True},
    ("GRPO", "variably_invoked_predictor_grouping_mode"): {
        "variably_invoked_predictor_grouping_mode": "fill", "variably_invoked_predictor_fill_strategy": "max",
    },
    ("MIPROv2", "auto"): {"auto": "medium"},
    ("GRPO", "format_failure_score"): {"failure_score": 7},
    ("AvatarOptimizer", "optimize_for"): {"optimize_for": "min"},
}  # fmt: skip
"""What a parameter needs beside it, and the value of one that takes only some."""

BROKEN: Final = {"AvatarOptimizer", "SignatureOptimizer"}
"""Constructors that raise in some versions, whatever they are given."""

ONE_VALUE: Final = {
    ("GRPO", "exclude_demos"), ("GRPO", "multitask"), ("Ensemble", "deterministic"),  # others are refused
    ("KNNFewShot", "trainset"),  # a dataset
}  # fmt: skip


_OPTIMIZERS_OF_BETTER_TOGETHER: Final = {
    "prompt_optimizer": "BootstrapFewShotWithRandomSearch",
    "weight_optimizer": "BootstrapFinetune",
}
"""Before DSPy 3.2 they are parameters by name, of these classes alone."""

NOT_HELD: Final = {("BetterTogether", "seed"), ("BetterTogether", "metric")}
"""Before DSPy 3.2 they are in a random source and in the two optimizers alone."""


@pytest.fixture(autouse=True, scope="module")
def _instrumented() -> Iterator[None]:
    """Once for all: constructors leave nothing behind."""
    with recording():
        yield


class Chooser:
    """An object that a user passes, and calls."""

    def __call__(self, *_args: object, **_kwargs: object) -> None:
        """Do nothing."""


def _optimizers(family: type[Any] = Teleprompter) -> Iterator[type[Any]]:
    for kind in family.__subclasses__():
        if kind.__module__.startswith("dspy.") and kind.compile is not Teleprompter.compile:
            yield kind
        yield from _optimizers(kind)


def _parameters() -> Iterator[tuple[type[Any], str]]:
    for optimizer in sorted(set(_optimizers()), key=lambda kind: kind.__name__):
        for name, parameter in inspect.signature(optimizer).parameters.items():
            if parameter.kind not in {parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL} and not is_secret_name(name):
                yield optimizer, name


def _value(name: str, default: object) -> tuple[object, Mapping[str, object]]:  # noqa: PLR0911 - a line for each kind
    """A value that is not the default, and the attributes that record it."""
    if name.endswith(("kwargs", "settings", "args")):
        return {"first": 1, "second": {"third": "x"}}, {f"{name}.first": 1, f"{name}.second.third": "x"}
    if isinstance(default, bool):
        return not default, {name: not default}
    if isinstance(default, int | float):
        return default + 2, {name: default + 2}
    if isinstance(default, str) or name.endswith(("dir", "mode", "strategy")):
        return "given", {name: "given"}
    if name == "metric":
        return feedback, {name: "feedback"}
    if name.endswith(("model", "lm")):
        return dspy.LM("openai/given"), {name: "openai/given"}
    if name in _OPTIMIZERS_OF_BETTER_TOGETHER:
        made = getattr(dspy, _OPTIMIZERS_OF_BETTER_TOGETHER[name])(metric=exact)
        return made, {name: _OPTIMIZERS_OF_BETTER_TOGETHER[name]}
    if name == "vectorizer":
        return dspy.Embedder(numbers), {name: "Embedder"}
    if name.endswith(("proposer", "adapter", "fn", "optimizer")):
        return Chooser(), {name: "Chooser"}
    return 3, {name: 3}


@pytest.mark.parametrize(("optimizer", "name"), list(_parameters()))
def test_constructor_parameter_is_recorded(optimizer: type[Any], name: str) -> None:
    """Each one by its own name and with the value given, whatever attribute DSPy keeps it in."""
    where = (optimizer.__name__, name)
    parameters = inspect.signature(optimizer).parameters
    if where in ONE_VALUE or (where in NOT_HELD and "prompt_optimizer" in parameters):
        pytest.skip("takes one value only, or is not held")
    base = dict(BASE.get(optimizer.__name__, {}))
    if "metric" in parameters:
        base.setdefault("metric", exact)
    value, expected = _value(name, parameters[name].default)
    given = base | {name: value} | TOGETHER.get(where, {})
    if isinstance(given[name], str):
        expected = {name: given[name]}
    with dspy.context(experimental=True):
        try:
            made = optimizer(**given)
        except (AttributeError, TypeError):
            if optimizer.__name__ in BROKEN:
                pytest.skip("this DSPy cannot make one")
            raise
    hook = HookRegistry().for_optimizer(made)
    recorded = parameter_attributes("", hook.parameters(made, {}), SecretKeeper())
    assert {key: recorded.get(key) for key in expected} == expected


SETTINGS: Final = {"num_threads": 3, "max_errors": 4, "provide_traceback": True}
"""Parameters that DSPy takes from its settings where they are None."""


@pytest.mark.parametrize(("optimizer", "name"), [(kind, name) for kind, name in _parameters() if name in SETTINGS])
def test_none_is_the_value_of_the_settings(optimizer: type[Any], name: str) -> None:
    """What runs is recorded: DSPy's setting for a parameter that is None, at the time of the compile."""
    given = {**BASE.get(optimizer.__name__, {}), name: None}
    if "metric" in inspect.signature(optimizer).parameters:
        given.setdefault("metric", exact)
    with dspy.context(experimental=True, **SETTINGS):
        try:
            made = optimizer(**given)
        except (AttributeError, TypeError):
            if optimizer.__name__ in BROKEN:
                pytest.skip("this DSPy cannot make one")
            raise
        recorded = HookRegistry().for_optimizer(made).parameters(made, dict.fromkeys(SETTINGS))
        # DSPy before 3.0 has defaults of its own, such as 10 errors, for the others.
        defaults = {key: getattr(made, key, None) for key in SETTINGS if key != name}
        expected = SETTINGS | {key: value for key, value in defaults.items() if value is not None}
        assert {key: recorded[key] for key in SETTINGS} == expected


@pytest.mark.parametrize(("optimizer", "name"), list(_parameters()))
def test_another_none_is_left_out(optimizer: type[Any], name: str) -> None:
    """No parameter is recorded as None: MLflow's autolog leaves such parameters out, too."""
    given = {**BASE.get(optimizer.__name__, {}), **TOGETHER.get((optimizer.__name__, name), {}), name: None}
    if "metric" in inspect.signature(optimizer).parameters:
        given.setdefault("metric", exact)
    with dspy.context(experimental=True):
        try:
            made = optimizer(**given)
        except Exception:  # noqa: BLE001 - some take no None
            pytest.skip("this parameter cannot be None")
    recorded = parameter_attributes("", HookRegistry().for_optimizer(made).parameters(made, {}), SecretKeeper())
    assert None not in recorded.values()
    if name not in SETTINGS and getattr(made, name, None) is None:
        assert name not in recorded


@pytest.mark.parametrize("optimizer", [kind for kind, name in _parameters() if name == "num_threads"])
def test_no_threads_are_those_of_the_settings(optimizer: type[Any]) -> None:
    """DSPy's pool takes 0 for its setting, so that is what is recorded."""
    given = {**BASE.get(optimizer.__name__, {}), "num_threads": 0}
    if "metric" in inspect.signature(optimizer).parameters:
        given.setdefault("metric", exact)
    with dspy.context(experimental=True, num_threads=3):
        try:
            made = optimizer(**given)
        except (AttributeError, TypeError):
            if optimizer.__name__ in BROKEN:
                pytest.skip("this DSPy cannot make one")
            raise
        assert HookRegistry().for_optimizer(made).parameters(made, {})["num_threads"] == 3
