"""Hook for compile calls of all optimizers: a `compile` span for each, with its setup."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from otel_dspy.hooks.compilation.compile_arguments import compile_arguments
from otel_dspy.hooks.compilation.compile_in_call import CompileInCallHook
from otel_dspy.hooks.compilation.compile_plan import plan_of
from otel_dspy.hooks.compilation.requested_forecasts import given_attributes
from otel_dspy.hooks.lm.model_parameters import lm_parameters
from otel_dspy.hooks.metric.metric_name import metric_name
from otel_dspy.hooks.optimizers.plans.plan_attributes import forecast_attributes
from otel_dspy.hooks.patching.call_hook import CallHook, wrap_async_call, wrap_call
from otel_dspy.hooks.patching.subclasses import wrap_with_subclasses
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.serialization.programs import program_name, snapshot_if_program
from otel_dspy.telemetry.call_context import current_call_context
from otel_dspy.telemetry.spans.compile import CompileInfo, close_compile, open_compile
from otel_dspy.telemetry.spans.setup import SetupInfo, emit_setup
from otel_dspy.telemetry.spans.trial import close_trial, open_trial
from otel_dspy.telemetry.spans.trial_info import TrialOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from opentelemetry.context import Context
    from opentelemetry.util.types import AttributeValue

    from otel_dspy.hooks.optimizers.hook_registry import HookRegistry
    from otel_dspy.hooks.patching.call_hook import Args, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.serialization.programs import ProgramSnapshot
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.spans.setup import DatasetInfo


def install(patches: Patches, telemetry: Telemetry, registry: HookRegistry) -> None:
    """Wrap `compile` of every Teleprompter class, including classes defined later.

    Args:
        patches: where the wrapper is registered, so that it can be removed.
        telemetry: the emitter of spans, events and metrics.
        registry: the hooks of optimizers.
    """
    from dspy.teleprompt.teleprompt import Teleprompter  # noqa: PLC0415 - dspy is imported when it is instrumented

    def create_hook(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> CallHook | None:
        if instance is None or isinstance(instance, type):
            return None  # a static method or one of the class: there is no optimizer
        call_context = current_call_context()
        if call_context.compile is not None and call_context.compile.key == id(instance):
            return None  # `super().compile()` belongs to the same compile
        arguments = compile_arguments(wrapped, args, kwargs)
        if call_context.module_paths is not None and not registry.for_optimizer(instance).has_trials:
            return CompileInCallHook(telemetry, instance, arguments.get("student"))
        return _CompileHook(telemetry, registry, instance, arguments)

    def wrapper_for(function: Callable[..., Any]) -> Callable[..., Any]:
        return wrap_async_call(create_hook) if inspect.iscoroutinefunction(function) else wrap_call(create_hook)

    wrap_with_subclasses(patches, Teleprompter, "compile", wrapper_for)


class _CompileHook(CallHook):
    part = "the span of a compile"

    def __init__(
        self, telemetry: Telemetry, registry: HookRegistry, optimizer: Any, arguments: Mapping[str, Any]
    ) -> None:
        self._telemetry = telemetry
        self._hook = registry.for_optimizer(optimizer)
        self._registry = registry
        self._optimizer = optimizer
        self._arguments: Mapping[str, Any] = arguments
        with guarded("the arguments of a compile"):
            self._arguments = self._hook.arguments(optimizer, self._arguments)
        self._initial: ProgramSnapshot | None = None
        self._forecast: dict[str, AttributeValue] = {}
        self._result: ProgramSnapshot | None = None
        self._program: Any = None

    @override
    def open(self) -> Context:
        self._open_trial_of_outer_compile()
        optimizer, arguments = self._optimizer, self._arguments
        student = arguments.get("student")
        name = program_name(student)
        with guarded("the name of a compiled program"):
            name = self._hook.program_name(arguments)
        metric = getattr(optimizer, self._hook.attribute_names.get("metric", "metric"), None)
        info = CompileInfo(
            key=id(optimizer),
            optimizer_name=type(optimizer).__name__,
            program_name=name,
            metric_name=metric_name(metric),
            role=self._hook.role,
            select=self._hook.select,
        )
        # Snapshot before compile can modify the initial program.
        with guarded("the state of the initial program"):
            self._telemetry.secrets.learn_program(student)
            self._initial = snapshot_if_program(student)
        self._parameters: dict[str, object] = {}
        with guarded("an optimizer's parameters"):
            self._parameters = self._hook.parameters(optimizer, arguments)
        with guarded("the forecast of a compile"):
            plan = plan_of(self._registry, optimizer, arguments)
            if plan is not None:
                self._forecast = {**forecast_attributes(plan, student), **given_attributes(optimizer, plan)}
        self._scope = open_compile(self._telemetry, info)
        self._scope.hook, self._scope.arguments, self._scope.resolve = self._hook, arguments, self._resolve
        if not self._hook.resolves_setup:
            self._resolve({})
        return self._scope.context

    def _open_trial_of_outer_compile(self) -> None:
        call_context = current_call_context()
        outer = call_context.compile
        if outer is None or call_context.trial is not None or outer.open_trial is not None:
            return
        if call_context.within_example:
            return
        if self._registry.of(outer).nested_compile_opens_trial:
            outer.open_trial = open_trial(self._telemetry, outer)

    def _resolve(self, resolved: Mapping[str, Any]) -> None:
        """Emit the setup, with the values that the optimizer has resolved instead of the given ones."""
        arguments = {**self._arguments, **{name: value for name, value in resolved.items() if value is not None}}
        lm = _lm(self._optimizer)
        datasets: list[DatasetInfo] = []
        with guarded("an optimizer's datasets"):
            datasets = self._hook.datasets(arguments)
        emit_setup(
            self._telemetry,
            self._scope,
            SetupInfo(
                program=self._initial,
                parameters={**self._parameters, **{name: resolved[name] for name in resolved if name != "valset"}},
                lm_model=getattr(lm, "model", None),
                lm_parameters={} if lm is None else lm_parameters(lm),
                datasets=datasets,
                forecast=self._forecast,
            ),
        )

    @override
    def record_result(self, result: Any) -> None:
        self._program = result
        with guarded("the state of the optimized program"):
            self._result = snapshot_if_program(result)

    @override
    def close(self, error: BaseException | None) -> None:
        scope = self._scope
        with guarded("the setup of a compile"):
            self._resolve({})
        ahead, scope.open_trial = scope.open_trial, None
        if ahead is not None:
            with guarded("a trial that was never scored"):
                close_trial(self._telemetry, ahead, self._hook.open_trial_info(scope), TrialOutcome(error=error))
        with guarded("the end of an optimizer's hook"):
            self._hook.ended(self._telemetry, scope, self._program, error)
        close_compile(self._telemetry, scope, result=self._result, error=error)


def _lm(optimizer: Any) -> Any:
    """Return the language model that runs the program during the compile."""
    import dspy  # noqa: PLC0415 - dspy is imported when it is instrumented

    settings: Any = dspy.settings
    return getattr(optimizer, "task_model", None) or settings.lm
