"""Hook for BootstrapFinetune: phases `bootstrap` and `finetune`, and a trial for each training job.

Source: `dspy/teleprompt/bootstrap_finetune.py` of dspy 3.4.1. The bootstrap is an evaluation whose traces become the
training data; it scores no candidate, so it is not a trial. `finetune_lms` starts a job for each model, or with
`multitask=False` for each of its predictors, and then waits for them. A job runs in a thread of the provider; its
result is a new model or an exception. Jobs have no score.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import CancelledError
from contextvars import copy_context
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from opentelemetry.util.genai.utils import bind_arguments
from typing_extensions import override

from otel_dspy.hooks.optimizers.base import OptimizerHook, compile_of
from otel_dspy.hooks.optimizers.finetune_parameters import finetune_parameters
from otel_dspy.hooks.optimizers.phase import PhaseHook
from otel_dspy.hooks.optimizers.plans.better_together import bootstrap_finetune
from otel_dspy.hooks.patching.call_hook import wrap_call
from otel_dspy.hooks.patching.wrapper_frames import hidden_frame
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.telemetry.optimizer_hook_state import StateKey
from otel_dspy.telemetry.spans.trial import close_trial, open_trial
from otel_dspy.telemetry.spans.trial_info import TrialInfo, TrialKind, TrialOutcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from concurrent.futures import Future

    from otel_dspy.hooks.optimizers.plans.call_plan import CallPlan, NestedPlan
    from otel_dspy.hooks.patching.call_hook import Args, CallHook, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.serialization.programs import ProgramSnapshot
    from otel_dspy.telemetry.emitter import Telemetry
    from otel_dspy.telemetry.open_scopes import CompileScope, TrialScope
    from otel_dspy.telemetry.spans.evaluate import EvaluateInfo

_BOOTSTRAP: Final = "bootstrap"
_PREDICTORS: Final[StateKey[deque[int | None]]] = StateKey("finetuned predictors")


class BootstrapFinetuneHook(OptimizerHook):
    """Records the bootstrap as a phase and the jobs as trials."""

    optimizer = "dspy.teleprompt.bootstrap_finetune.BootstrapFinetune"

    @override
    def install(self, patches: Patches, telemetry: Telemetry) -> None:
        from dspy.clients.lm import LM  # noqa: PLC0415 - imported when it is instrumented
        from dspy.teleprompt import bootstrap_finetune as module  # noqa: PLC0415 - imported when it is instrumented

        def bootstrap(_wrapped: Callable[..., Any], _instance: Any, _args: Args, _kwargs: Kwargs) -> CallHook | None:
            scope = compile_of(BootstrapFinetuneHook)
            return None if scope is None else PhaseHook(telemetry, scope, _BOOTSTRAP, None)

        def finetune(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> CallHook | None:
            scope = compile_of(BootstrapFinetuneHook)
            if scope is None:
                return None
            arguments: Kwargs = bind_arguments(wrapped, args, kwargs)
            jobs: Iterable[tuple[Any, int | None]] = arguments["finetune_dict"]
            scope.state.set(_PREDICTORS, deque(index for _, index in jobs))
            return PhaseHook(telemetry, scope, "finetune", None)

        def job(wrapped: Callable[..., Any], lm: Any, args: Args, kwargs: Kwargs) -> Any:
            started: _Job | None = None
            with guarded("the span of a fine-tuning job"):
                scope = compile_of(BootstrapFinetuneHook)
                if scope is not None:
                    started = _Job(telemetry, scope, lm, bind_arguments(wrapped, args, kwargs))
            with hidden_frame:
                return wrapped(*args, **kwargs) if started is None else started.start(wrapped, args, kwargs)

        patches.wrap(module, "bootstrap_trace_data", wrap_call(bootstrap))
        patches.wrap(module.BootstrapFinetune, "finetune_lms", wrap_call(finetune))
        patches.wrap(LM, "finetune", job)

    @override
    def plan(self, optimizer: Any, arguments: Mapping[str, Any], nested: NestedPlan) -> CallPlan | None:
        del nested
        return bootstrap_finetune(optimizer, arguments)

    @override
    def parameters(self, optimizer: Any, arguments: Mapping[str, Any]) -> dict[str, object]:
        return finetune_parameters(super().parameters(optimizer, arguments))

    @override
    def evaluation(self, info: EvaluateInfo, program: ProgramSnapshot | None) -> EvaluateInfo:
        return replace(info, phase=_BOOTSTRAP)


class _Job:
    """Training job, started on the user's thread and ended on one of the provider's."""

    def __init__(self, telemetry: Telemetry, scope: CompileScope, lm: Any, arguments: Mapping[str, Any]) -> None:
        self._telemetry = telemetry
        waiting = scope.state.get(_PREDICTORS)
        predictor = waiting.popleft() if waiting else None
        data_format = arguments.get("train_data_format")
        settings: Mapping[str, object] = arguments.get("train_kwargs") or lm.train_kwargs or {}
        self._parameters: dict[str, object] = {
            "model": getattr(lm, "finetuning_model", None) or lm.model,
            "predictor": "all" if predictor is None else predictor,
            "examples": len(arguments["train_data"]),
            "format": getattr(data_format, "value", data_format),
            **{f"train_kwargs.{name}": value for name, value in settings.items()},
        }
        self._trial: TrialScope = open_trial(telemetry, scope)

    def start(self, function: Callable[..., Any], args: Args, kwargs: Kwargs) -> Any:
        """Start the job and close its trial when it is done."""
        with hidden_frame:
            try:
                job = function(*args, **kwargs)
            except BaseException as error:
                with guarded("the end of a fine-tuning job"):
                    self._close(None, error)
                raise
        with guarded("waiting for a fine-tuning job"):
            job.add_done_callback(self._done)
        return job

    def _done(self, job: Future[Any]) -> None:
        with guarded("the end of a fine-tuning job"):
            error = CancelledError() if job.cancelled() else job.exception()
            result = job.result() if error is None else None
            if isinstance(result, Exception):
                error = result
            # In a separate context: for a job that has failed already the callback runs on the user's thread, and the
            # record must not depend on the timing.
            copy_context().run(self._close, result, error)

    def _close(self, result: Any, error: BaseException | None) -> None:
        parameters = dict(self._parameters)
        if error is None:
            parameters["finetuned_model"] = getattr(result, "model", None)
        info = TrialInfo(kind=TrialKind.STEP, label=f"job {parameters['model']}", parameters=parameters)
        close_trial(self._telemetry, self._trial, info, TrialOutcome(error=error))
