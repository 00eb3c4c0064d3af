"""Registry of optimizer hooks: those of this package, of entry points, and those registered by a call."""

from __future__ import annotations

import weakref
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Final

from otel_dspy.hooks.optimizers.base import OptimizerHook
from otel_dspy.hooks.patching.capabilities import part
from otel_dspy.runtime.error_guard import guarded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import CompileScope

GROUP: Final = "otel_dspy.optimizers"
"""Entry point group for subclasses of `OptimizerHook` in other packages."""
MODULES: Final = (
    "better_together:BetterTogetherHook",
    "bootstrap_finetune:BootstrapFinetuneHook",
    "bootstrap_few_shot:BootstrapFewShotHook",
    "copro:COPROHook",
    "gepa.dspy_hook:GEPAHook",
    "gepa.standalone_hook:GepaEngineHook",
    "ensemble:EnsembleHook",
    "grpo:GRPOHook",
    "infer_rules:InferRulesHook",
    "knn_few_shot:KNNFewShotHook",
    "labeled_few_shot:LabeledFewShotHook",
    "mipro_v2.hook:MIPROv2Hook",
    "optuna:OptunaHook",
    "random_search:RandomSearchHook",
    "reanchor:ReAnchorHook",
    "simba.hook:SIMBAHook",
)
"""Hooks of this package, relative to this one. Imported when DSPy is instrumented."""

_given: Final[dict[str, OptimizerHook]] = {}
_in_use: Final[weakref.WeakSet[HookRegistry]] = weakref.WeakSet()


def register(hook: OptimizerHook) -> None:
    """Register a hook for its optimizer, replacing any other hook for the same class.

    The registration applies to the process, before or after DSPy is instrumented. A running compile keeps its hook.
    """
    _given[hook.optimizer] = hook
    for registry in list(_in_use):
        registry.add(hook)


def unregister(hook: OptimizerHook) -> None:
    """Undo `register`. Takes effect the next time that DSPy is instrumented."""
    if _given.get(hook.optimizer) is hook:
        del _given[hook.optimizer]


class HookRegistry:
    """Hooks by optimizer class, with the generic hook as the default.

    For the same class, hooks registered by a call override those of entry points, which override this package's. A hook
    that cannot be loaded or installed is logged once and skipped.
    """

    def __init__(self) -> None:
        self._generic = OptimizerHook()
        self._hooks: dict[str, OptimizerHook] = {hook.optimizer: hook for hook in _every_hook()}
        self._installed: tuple[Patches, Telemetry] | None = None

    def install(self, patches: Patches, telemetry: Telemetry) -> None:
        """Install every hook and log the patch targets that DSPy lacks."""
        self._installed = patches, telemetry
        for hook in list(self._hooks.values()):
            self._install(hook)
        patches.report_missing()
        _in_use.add(self)

    def add(self, hook: OptimizerHook) -> None:
        """Add a hook, and install it if the others are installed."""
        self._hooks[hook.optimizer] = hook
        self._install(hook)
        if self._installed is not None:
            self._installed[0].report_missing()

    def _install(self, hook: OptimizerHook) -> None:
        if self._installed is None or not self._installed[0].active:
            return
        module, _, name = hook.optimizer.rpartition(".")
        if hook.optimizer.startswith("dspy.") and part(f"{module}:{name}") is None:
            del self._hooks[hook.optimizer]  # the installed DSPy lacks this optimizer
            return
        known = False
        with guarded(f"the hook of {hook.optimizer}"):
            hook.install(*self._installed)
            known = True
        if not known:
            self._hooks.pop(hook.optimizer, None)

    def for_optimizer(self, optimizer: Any) -> OptimizerHook:
        """Return the hook of the optimizer's class or of its nearest base class; the generic one if there is none."""
        for cls in type(optimizer).__mro__:
            hook = self._hooks.get(f"{cls.__module__}.{cls.__name__}")
            if hook is not None:
                return hook
        return self._generic

    def of(self, scope: CompileScope) -> OptimizerHook:
        """Return the hook of a compile."""
        return scope.hook if isinstance(scope.hook, OptimizerHook) else self._generic


def _every_hook() -> Iterator[OptimizerHook]:
    ours = [EntryPoint(name.partition(":")[0], f"{__package__}.{name}", GROUP) for name in MODULES]
    for entry in (*ours, *entry_points(group=GROUP)):
        with guarded(f"the optimizer hook {entry.value}"):
            hook = entry.load()()
            if not isinstance(hook, OptimizerHook):
                message = (
                    f"entry point {entry.value} must return an otel_dspy.hooks.optimizers.OptimizerHook, "
                    f"not {type(hook).__name__}"
                )
                raise TypeError(message)
            yield hook
    yield from _given.values()
