"""Installation of all hooks.

Loaded by `instrument()` and not by `import otel_dspy`, because a release of OpenTelemetry or DSPy may lack a name that
a hook imports.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.hooks.calls import adapter_fallback as adapter_hook
from otel_dspy.hooks.calls import adapter_spans as adapter_calls_hook
from otel_dspy.hooks.calls import agent as agent_hook
from otel_dspy.hooks.calls import best_of_n as attempts_hook
from otel_dspy.hooks.calls import embedding as embedding_hook
from otel_dspy.hooks.calls import interpreter as interpreter_hook
from otel_dspy.hooks.calls import module as module_hook
from otel_dspy.hooks.calls import retrieval as retrieval_hook
from otel_dspy.hooks.calls import tool as tool_hook
from otel_dspy.hooks.calls import unbatchify as batching_hook
from otel_dspy.hooks.compilation import compile as compile_hook
from otel_dspy.hooks.evaluation import evaluate as evaluate_hook
from otel_dspy.hooks.evaluation import thread_pool_context as threads_hook
from otel_dspy.hooks.lm import call as lm_hook
from otel_dspy.hooks.lm import decision_call as decision_hook
from otel_dspy.hooks.optimizers.hook_registry import HookRegistry
from otel_dspy.hooks.patching.patches import Patches

if TYPE_CHECKING:
    from otel_dspy.telemetry.emitter import Telemetry


def install(telemetry: Telemetry) -> Patches:
    """Wrap DSPy's methods and return the patches, for their removal. If a hook fails to install, none is installed."""
    patches = Patches()
    registry = HookRegistry()
    try:
        lm_hook.install(patches, telemetry)
        decision_hook.install(patches, telemetry)
        module_hook.install(patches, telemetry)
        tool_hook.install(patches, telemetry)
        agent_hook.install(patches, telemetry)
        attempts_hook.install(patches, telemetry)
        embedding_hook.install(patches, telemetry)
        retrieval_hook.install(patches, telemetry)
        batching_hook.install(patches)
        interpreter_hook.install(patches, telemetry)
        adapter_hook.install(patches)
        adapter_calls_hook.install(patches, telemetry)
        threads_hook.install(patches, telemetry)
        evaluate_hook.install(patches, telemetry, registry)
        compile_hook.install(patches, telemetry, registry)
        registry.install(patches, telemetry)
    except BaseException:
        patches.undo()
        raise
    return patches
