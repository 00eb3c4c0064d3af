"""Which hook knows which optimizer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_dspy.hooks.optimizers.base import OptimizerHook
from otel_dspy.hooks.optimizers.mipro_v2 import MIPROv2Hook
from otel_dspy.hooks.optimizers.random_search import RandomSearchHook

if TYPE_CHECKING:
    from otel_dspy.hooks.patches import Patches
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.scopes import CompileScope

_HOOK: Final = "hook"


class Registry:
    """The hooks, and the generic one for the rest."""

    def __init__(self) -> None:
        self._generic = OptimizerHook()
        self._hooks: dict[str, OptimizerHook] = {hook.optimizer: hook for hook in (MIPROv2Hook(), RandomSearchHook())}

    def install(self, patches: Patches, telemetry: Telemetry) -> None:
        """Let every hook put watches around its optimizer's seams."""
        for hook in self._hooks.values():
            hook.install(patches, telemetry)

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
