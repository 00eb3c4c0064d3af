"""Hook for code interpreters: `interpreter` spans for those of DSPy and for those that a user passes to a module."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry.context import create_key, get_value
from typing_extensions import override

from otel_dspy import semconv
from otel_dspy.hooks.calls.component_hook import ComponentHook
from otel_dspy.hooks.patching.call_hook import wrap_call
from otel_dspy.hooks.patching.capabilities import part
from otel_dspy.hooks.patching.wrapper_frames import hidden_frame
from otel_dspy.runtime.error_guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from opentelemetry.context import Context

    from otel_dspy.hooks.patching.call_hook import Args, CallHook, Kwargs
    from otel_dspy.hooks.patching.patches import Patches
    from otel_dspy.telemetry.emitter import Telemetry

OPERATIONS: Final = ("start", "execute", "shutdown")
"""The methods of DSPy's protocol `CodeInterpreter`."""
_RUNNING: Final = create_key("otel_dspy.interpreter")
"""Context key of the running (`id` of the interpreter, operation), so that `super().execute()` gets no own span."""


def install(patches: Patches, telemetry: Telemetry) -> None:
    """Wrap the methods of DSPy's interpreters, and those of a user's class when a module first uses it."""
    from dspy.predict import program_of_thought  # noqa: PLC0415 - dspy is imported when it is instrumented
    from dspy.primitives.python_interpreter import PythonInterpreter  # noqa: PLC0415

    known = _InterpreterClasses(patches, telemetry)

    def seen(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
        with hidden_frame:
            made = wrapped(*args, **kwargs)
        return _InterpreterContext(made, known)

    for interpreter in filter(None, (PythonInterpreter, part("dspy.primitives.local_interpreter:LocalInterpreter"))):
        known.add(interpreter)
    # CodeAct inherits the method from ProgramOfThought.
    for module in filter(None, (program_of_thought.ProgramOfThought, part("dspy.predict.rlm:RLM"))):
        patches.wrap(module, "_interpreter_context", seen)


class _InterpreterClasses:
    """Registry of the interpreter classes whose methods are wrapped."""

    def __init__(self, patches: Patches, telemetry: Telemetry) -> None:
        self._patches = patches
        self._telemetry = telemetry
        self._lock = threading.Lock()
        self._owners: set[tuple[int, str]] = set()

    def add(self, cls: type[Any]) -> None:
        """Wrap the methods in the class, or in the base class that defines them."""
        if not self._patches.active:
            return
        with self._lock:
            for operation in OPERATIONS:
                owner = next((base for base in cls.__mro__ if callable(vars(base).get(operation))), None)
                if owner is not None and (id(owner), operation) not in self._owners:
                    self._owners.add((id(owner), operation))
                    self._patches.wrap(owner, operation, wrap_call(self._hook_factory(operation)))

    def _hook_factory(self, operation: str) -> Callable[..., CallHook | None]:
        def create_hook(_wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> CallHook | None:
            if get_value(_RUNNING) == (id(instance), operation):
                return None
            code = args[0] if args else kwargs.get("code")
            return _InterpreterHook(self._telemetry, instance, operation, code)

        return create_hook


class _InterpreterContext:
    """Context manager around a module's own, which wraps the class of the interpreter that it returns."""

    def __init__(self, manager: Any, known: _InterpreterClasses) -> None:
        self._manager = manager
        self._known = known

    def __enter__(self) -> Any:
        interpreter = self._manager.__enter__()
        with guarded("an interpreter of the user's own"):
            self._known.add(cast("type[Any]", type(interpreter)))
        return interpreter

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> Any:
        return self._manager.__exit__(kind, error, traceback)


class _InterpreterHook(ComponentHook):
    part = "the span of an interpreter"

    @override
    def open(self) -> Context:
        return self.start(
            semconv.SPAN_DSPY_INTERPRETER.format(self._operation),
            {
                semconv.DSPY_OPERATION_NAME: "interpreter",
                semconv.DSPY_INTERPRETER_OPERATION: self._operation,
                semconv.DSPY_INTERPRETER_TYPE: type(self._instance).__name__,
            },
            semconv.DSPY_INTERPRETER_CODE,
            _RUNNING,
        )

    @override
    def record_result(self, result: Any) -> None:
        # SUBMIT(…) in the code returns a FinalOutput.
        self.put(semconv.DSPY_INTERPRETER_RESULT, getattr(result, "output", result))
