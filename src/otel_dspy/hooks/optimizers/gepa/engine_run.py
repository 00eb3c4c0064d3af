"""Hook that records a run of gepa's engine as a compile: setup, callback for the trials, and result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from typing_extensions import override

from otel_dspy.hooks.metric.metric_name import metric_name
from otel_dspy.hooks.optimizers.gepa.callback import GepaEvents
from otel_dspy.hooks.optimizers.gepa.parameters import run_parameters
from otel_dspy.hooks.optimizers.gepa.phases import EVENTS
from otel_dspy.hooks.optimizers.gepa.restored_candidates import best_of
from otel_dspy.hooks.patching.call_hook import CallHook
from otel_dspy.runtime.error_guard import guarded
from otel_dspy.serialization.datasets import ExampleRegistry
from otel_dspy.telemetry.spans.compile import CompileInfo, close_compile, open_compile
from otel_dspy.telemetry.spans.setup import DatasetInfo, SetupInfo, emit_setup

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from opentelemetry.context import Context

    from otel_dspy.hooks.optimizers.base import OptimizerHook
    from otel_dspy.serialization.programs import ProgramSnapshot
    from otel_dspy.telemetry.emitter import Telemetry

_NAME: Final = "gepa"


class RunHook(CallHook):
    """Records the run of an engine.

    Args:
        hook: the optimizer's hook.
        telemetry: provides the tracer and the content settings.
        engine: gepa's `GEPAEngine`. A callback is added while it runs; the user's list is not modified.
        call: arguments of the call that created the engine, by name; empty if unknown.
    """

    part = "the span of a run of gepa"

    def __init__(self, hook: OptimizerHook, telemetry: Telemetry, engine: Any, call: Mapping[str, Any]) -> None:
        self._hook = hook
        self._telemetry = telemetry
        self._engine = engine
        self._call = call
        self._replaced: list[tuple[Any, Any]] = []
        self._result: ProgramSnapshot | None = None

    @override
    def open(self) -> Context:
        engine, telemetry = self._engine, self._telemetry
        info = CompileInfo(
            key=id(engine),
            optimizer_name=_NAME,
            program_name=type(engine.adapter).__name__,
            metric_name=_metric(engine.adapter, self._call),
            role=self._hook.role,
            select=self._hook.select,
            unobserved=True,  # plain functions are allowed as models
        )
        self._scope = scope = open_compile(telemetry, info)
        scope.examples = ExampleRegistry(plain_inputs=True)
        scope.hook = self._hook
        self._events = events = GepaEvents(telemetry, scope, engine.adapter)
        scope.state.set(EVENTS, events)
        with guarded("the setup of a run of gepa"):
            self._set_up()
        events.resume.runs_in(engine.run_dir)
        for holder in (engine, engine.reflective_proposer, engine.merge_proposer):
            if holder is not None:
                self._replaced.append((holder, holder.callbacks))
                holder.callbacks = [events, *(holder.callbacks or ())]
        return scope.context

    def _set_up(self) -> None:
        engine, telemetry = self._engine, self._telemetry
        keywords = self._call.get("reflection_lm_kwargs")
        if isinstance(keywords, dict):
            telemetry.secrets.learn_from(cast("dict[str, object]", keywords))
        model = getattr(engine.adapter, "model", None)
        emit_setup(
            telemetry,
            self._scope,
            SetupInfo(
                program=self._events.trials.snapshot(engine.seed_candidate),
                parameters=run_parameters(engine, self._call, texts=telemetry.settings.capture_programs),
                lm_model=model if isinstance(model, str) else None,
                datasets=list(_datasets(engine)),
            ),
        )

    @override
    def record_result(self, result: Any) -> None:
        """Take a snapshot of the best candidate. `result` is gepa's state."""
        best = best_of(result.program_full_scores_val_set)
        self._result = self._events.trials.snapshot(result.program_candidates[best])

    @override
    def close(self, error: BaseException | None) -> None:
        for holder, callbacks in self._replaced:
            holder.callbacks = callbacks
        with guarded("the trials of a run of gepa"):
            self._events.finish(error)
        close_compile(self._telemetry, self._scope, result=self._result, error=error)


def _metric(adapter: Any, call: Mapping[str, Any]) -> str:
    """Return the name of the given or the adapter's evaluator, else that of the adapter."""
    evaluator = call.get("evaluator") or call.get("batch_evaluator") or getattr(adapter, "evaluator", None)
    return metric_name(evaluator) or type(adapter).__name__


def _datasets(engine: Any) -> Iterator[DatasetInfo]:
    for role, name, loader in (
        ("train", "trainset", engine.reflective_proposer.trainset),
        ("validation", "valset", engine.valset),
    ):
        items: Sequence[Any] | None = getattr(loader, "items", None)
        if isinstance(items, list):  # a user's loader may fetch its data remotely
            yield DatasetInfo(role=role, name=name, examples=items)
