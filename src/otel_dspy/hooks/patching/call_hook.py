"""Base class of call hooks, and the wrapt wrappers that run a hook around a sync or async call."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Literal, Self, TypeVar

from opentelemetry.context import (
    _SUPPRESS_INSTRUMENTATION_KEY,  # pyright: ignore[reportPrivateUsage] - see `_create_hook`
    attach,
    detach,
    get_current,
)

from otel_dspy.hooks.patching.wrapper_frames import context_of, drop_caller_frame, hidden_frame
from otel_dspy.runtime.error_guard import report
from otel_dspy.telemetry.call_context import outside_calls
from otel_dspy.telemetry.exceptions import forget, last_recorded_error

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from contextvars import Token
    from types import TracebackType

    from opentelemetry.context import Context

_Result = TypeVar("_Result")
Args = tuple[Any, ...]
Kwargs = dict[str, Any]
_RESULT_NAMES: Final = frozenset({"record_result", "see"})
_LONGEST_CHAIN: Final = 1_000
"""Exceptions of a chain that are looked at; a chain that a user built may be a cycle."""


class CallHook:
    """Instruments one call: `open` before it, `record_result` with its result, `close` at its end.

    Exceptions of the hook are logged and suppressed. Exceptions of the call are passed to `close` and propagate.
    """

    part = "a hook"
    """Name of the hook in the log record of its exceptions."""
    caller: Context
    """Context of the caller, set before `open` is called."""
    # Class attributes, because a hook is created for every call.
    _token: Token[Context] | None = None
    _attached: Context | None = None
    _opened = False

    def open(self) -> Context | None:
        """Start the span.

        Returns:
            The context that the call runs in; None to keep the current context.
        """
        raise NotImplementedError

    def record_result(self, result: Any) -> None:
        """Record the result of the call. Must not modify it."""

    see = record_result
    """Deprecated name of `record_result`. A subclass that has either method has both."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let the names of `record_result` stand for one method, also for `super()`. The former name warns."""
        super().__init_subclass__(**kwargs)
        owner = next(found for found in cls.__mro__ if _RESULT_NAMES & found.__dict__.keys())
        if "record_result" not in owner.__dict__:
            message = f"{cls.__name__}.see is deprecated, name it record_result"
            warnings.warn(message, DeprecationWarning, stacklevel=2)
        if not owner.__dict__.keys() >= _RESULT_NAMES:
            cls.record_result = cls.see = owner.__dict__.get("record_result") or owner.__dict__["see"]

    def close(self, error: BaseException | None) -> None:
        """End the span.

        Args:
            error: what the call raised, including KeyboardInterrupt and cancellation; None if it returned.
        """
        raise NotImplementedError

    def returned(self, result: _Result) -> _Result:
        """Call `record_result` with the result and return it."""
        if self._opened:
            try:
                self.record_result(result)
            except Exception as failure:
                report(self.part, failure)
        return result

    def __enter__(self) -> Self:
        """Call `enter`."""
        self.enter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> Literal[False]:
        """Call `leave`. Exceptions of the call propagate."""
        self.leave(error)
        return False

    def enter(self) -> None:
        """Call `open` and attach its context. If `open` fails, the call is not instrumented."""
        try:
            context = self.open()
            self._opened = True
            if context is not None:
                self._token = attach(context)
                self._attached = context
        except Exception as failure:
            report(self.part, failure)

    def leave(self, error: BaseException | None) -> None:
        """Call `close` and detach the context.

        Args:
            error: what the call raised, caught by the caller of this method; None if it returned.
        """
        try:
            if self._opened:
                self.close(error)
        except Exception as failure:
            report(self.part, failure)
        finally:
            # An abandoned coroutine is closed in an arbitrary context, where there is nothing to restore.
            if self._token is not None and (error is None or not _closed(error) or get_current() is self._attached):
                detach(self._token)
            # The context references the call context, which references this hook: break the reference cycle.
            self._token = self._attached = None
            if error is not None:
                drop_caller_frame(error)
            # Outside of all calls, release the last recorded exception: its frames hold the user's objects.
            if last_recorded_error() is not None and outside_calls():
                forget()


def _closed(error: BaseException | None) -> bool:
    """Return whether the coroutine was closed, also if code inside it then raised something else, as DSPy's does."""
    for _ in range(_LONGEST_CHAIN):
        if error is None or issubclass(type(error), GeneratorExit):
            break
        error = context_of(error)
    return error is not None and issubclass(type(error), GeneratorExit)


CallHookFactory = Callable[[Callable[..., Any], Any, Args, Kwargs], CallHook | None]
"""Creates the hook of a call from (wrapped function, instance, args, kwargs); None = do not instrument the call."""


def wrap_call(watcher: CallHookFactory) -> Callable[..., Any]:
    """Return a wrapt wrapper that instruments each call of a function with the hook that `watcher` creates."""

    def wrapper(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
        hook = _create_hook(watcher, wrapped, instance, args, kwargs)
        if hook is None:
            with hidden_frame:
                return wrapped(*args, **kwargs)
        try:  # no `with`, which calls the methods of the hook without the interpreter's shortcuts
            hook.enter()
            result = hook.returned(wrapped(*args, **kwargs))
        except BaseException as error:
            hook.leave(error)
            raise
        hook.leave(None)
        return result

    return wrapper


def wrap_async_call(watcher: CallHookFactory) -> Callable[..., Any]:
    """Return a wrapt wrapper that instruments each call of a coroutine function."""

    async def wrapper(wrapped: Callable[..., Awaitable[Any]], instance: Any, args: Args, kwargs: Kwargs) -> Any:
        hook = _create_hook(watcher, wrapped, instance, args, kwargs)
        if hook is None:
            with hidden_frame:
                return await wrapped(*args, **kwargs)
        try:  # no `with`, which calls the methods of the hook without the interpreter's shortcuts
            hook.enter()
            result = hook.returned(await wrapped(*args, **kwargs))
        except BaseException as error:
            hook.leave(error)
            raise
        hook.leave(None)
        return result

    return wrapper


def wrap_async_override(watcher: CallHookFactory, function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a wrapt wrapper for a subclass's override of an async method, which may be a plain function.

    A coroutine that a plain function returns is instrumented. Other results (async generators, futures) are returned
    unchanged and not instrumented, because their end cannot be observed.

    Args:
        watcher: creates the hook of a call.
        function: the override, as the subclass defines it.
    """
    if inspect.iscoroutinefunction(function):
        return wrap_async_call(watcher)

    def wrapper(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
        with hidden_frame:
            made = wrapped(*args, **kwargs)
        return instrumented(_giving(made), instance, args, kwargs) if inspect.iscoroutine(made) else made

    instrumented = wrap_async_call(lambda _made, instance, args, kwargs: watcher(function, instance, args, kwargs))
    return wrapper


def _giving(made: _Result) -> Callable[..., _Result]:
    def give(*_args: object, **_kwargs: object) -> _Result:
        return made

    return give


def _create_hook(
    watcher: CallHookFactory,
    wrapped: Callable[..., Any],
    instance: Any,
    args: Args,
    kwargs: Kwargs,
) -> CallHook | None:
    # Same check as `is_instrumentation_enabled`, with a single read of the context.
    context = get_current()
    if context.get(_SUPPRESS_INSTRUMENTATION_KEY) or context.get("suppress_instrumentation"):
        return None
    try:
        hook = watcher(wrapped, instance, args, kwargs)
    except Exception as failure:
        report("a hook", failure)
        return None
    if hook is not None:
        hook.caller = context
    return hook
