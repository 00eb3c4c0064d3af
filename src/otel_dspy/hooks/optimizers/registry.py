"""Which hook knows which optimizer: those of this package, and those that others bring."""

from __future__ import annotations

import weakref
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.hooks.optimizers.base import OptimizerHook
from otel_dspy.hooks.patching.capabilities import part
from otel_dspy.runtime.guard import guarded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.telemetry.call_context import CompileScope
    from otel_dspy.telemetry.emitter import Telemetry

GROUP: Final = "otel_dspy.optimizers"
"""Entry point group under which a package offers subclasses of `OptimizerHook`."""
_HOOK: Final = "hook"
_OURS: Final = (
    "better_together:BetterTogetherHook",
    "bootstrap_finetune:BootstrapFinetuneHook",
    "bootstrap_few_shot:BootstrapFewShotHook",
    "copro:COPROHook",
    "gepa.hook:GEPAHook",
    "gepa.engine:GepaEngineHook",
    "ensemble:EnsembleHook",
    "grpo:GRPOHook",
    "infer_rules:InferRulesHook",
    "knn_few_shot:KNNFewShotHook",
    "labeled_few_shot:LabeledFewShotHook",
    "mipro_v2:MIPROv2Hook",
    "optuna:OptunaHook",
    "random_search:RandomSearchHook",
    "reanchor:ReAnchorHook",
    "simba.hook:SIMBAHook",
)
"""This package's own, below this folder: imported when DSPy is instrumented and not before."""

_given: Final[dict[str, OptimizerHook]] = {}
_in_use: Final[weakref.WeakSet[Registry]] = weakref.WeakSet()


def registered_modules() -> tuple[str, ...]:
    """This package's own hooks, `module:class` each, below this folder."""
    return _OURS


def register(hook: OptimizerHook) -> None:
    """Let this hook tell of its optimizer from now on, in the place of any other that knows the same class.

    It holds for the process, whether DSPy is instrumented already or will be; a compile that runs keeps the hook that
    it began with.
    """
    _given[hook.optimizer] = hook
    for registry in list(_in_use):
        registry.add(hook)


def unregister(hook: OptimizerHook) -> None:
    """Take back `register`. While DSPy stays instrumented the hook goes on; it is left out from the next time on."""
    if _given.get(hook.optimizer) is hook:
        del _given[hook.optimizer]


class Registry:
    """The hooks, and the generic one for the rest.

    A later source goes before an earlier one that knows the same class: this package's own, the entry points', those
    registered by a call. One that cannot be loaded or installed is told once and left out.
    """

    def __init__(self) -> None:
        self._generic = OptimizerHook()
        self._hooks: dict[str, OptimizerHook] = {hook.optimizer: hook for hook in _every_hook()}
        self._installed: tuple[Patches, Telemetry] | None = None

    def install(self, patches: Patches, telemetry: Telemetry) -> None:
        """Let every hook put watches around its optimizer's seams."""
        self._installed = patches, telemetry
        for hook in list(self._hooks.values()):
            self._install(hook)
        patches.report_missing()
        _in_use.add(self)

    def add(self, hook: OptimizerHook) -> None:
        """Take in one more hook, and let it put its watches around if the others have."""
        self._hooks[hook.optimizer] = hook
        self._install(hook)
        if self._installed is not None:
            self._installed[0].report_missing()

    def _install(self, hook: OptimizerHook) -> None:
        if self._installed is None or not self._installed[0].active:
            return
        module, _, name = hook.optimizer.rpartition(".")
        if hook.optimizer.startswith("dspy.") and part(f"{module}:{name}") is None:
            del self._hooks[hook.optimizer]  # an optimizer of a later DSPy, or of an earlier one
            return
        known = False
        with guarded(f"the hook of {hook.optimizer}"):
            hook.install(*self._installed)
            known = True
        if not known:
            self._hooks.pop(hook.optimizer, None)

    def for_optimizer(self, optimizer: Any) -> OptimizerHook:
        """The hook of the optimizer's class, or of the nearest class above it."""
        for cls in type(optimizer).__mro__:
            hook = self._hooks.get(f"{cls.__module__}.{cls.__name__}")
            if hook is not None:
                return hook
        return self._generic

    def remember(self, scope: CompileScope, hook: OptimizerHook) -> None:
        """Keep the hook with the compile that it serves."""
        scope.notes[_HOOK] = hook

    def of(self, scope: CompileScope) -> OptimizerHook:
        """The hook that serves this compile."""
        return scope.notes.get(_HOOK, self._generic)


def _every_hook() -> Iterator[OptimizerHook]:
    ours = [EntryPoint(name.partition(":")[0], f"{__package__}.{name}", GROUP) for name in _OURS]
    for entry in (*ours, *entry_points(group=GROUP)):
        with guarded(f"the optimizer hook {entry.value}"):
            hook = entry.load()()
            if not isinstance(hook, OptimizerHook):
                message = f"{entry.value} makes no otel_dspy.hooks.optimizers.OptimizerHook"
                raise TypeError(message)
            yield hook
    yield from _given.values()
