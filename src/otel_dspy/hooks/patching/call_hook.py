"""The one way in which a call is watched: open, call, look at what came back, close. Sync and async share all of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

from opentelemetry.context import (
    _SUPPRESS_INSTRUMENTATION_KEY,  # pyright: ignore[reportPrivateUsage] - see `_watch`
    attach,
    detach,
    get_current,
)

from otel_dspy.hooks.patching.frames import drop_caller_frame
from otel_dspy.runtime.guard import report
from otel_dspy.telemetry.call_context import nowhere
from otel_dspy.telemetry.failure import forget, told_last

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from contextvars import Token
    from types import TracebackType

    from opentelemetry.context import Context

_Result = TypeVar("_Result")
Args = tuple[Any, ...]
Kwargs = dict[str, Any]


class CallHook:
    """Stands around one call of the user's.

    Subclasses say what happens at the three moments. What they raise is reported and goes no further; what the call
    raises is told to `close` and goes on to the user.
    """

    part = "a hook"
    """What a failure of ours is reported as."""
    # On the class: a watch is made for every call.
    _token: Token[Context] | None = None
    _attached: Context | None = None
    _opened = False

    def open(self) -> Context | None:
        """Start the span; give the context that the call runs in, None = as it is."""
        raise NotImplementedError

    def see(self, result: Any) -> None:
        """Look at what the call returned, without touching it."""

    def close(self, error: BaseException | None) -> None:
        """End the span. `error`: what the call raised, KeyboardInterrupt and cancellation too."""
        raise NotImplementedError

    def returned(self, result: _Result) -> _Result:
        """Pass the call's result through."""
        if self._opened:
            try:
                self.see(result)
            except Exception as failure:
                report(self.part, failure)
        return result

    def __enter__(self) -> Self:
        """Open; a failure to do so leaves the call unwatched."""
        try:
            context = self.open()
            self._opened = True
            if context is not None:
                self._token = attach(context)
                self._attached = context
        except Exception as failure:
            report(self.part, failure)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> Literal[False]:
        """Close, and let whatever the call raised go on."""
        try:
            if self._opened:
                self.close(error)
        except Exception as failure:
            report(self.part, failure)
        finally:
            # A coroutine that nobody awaits any more is closed wherever Python finds it: there is nothing to restore.
            if self._token is not None and (kind is not GeneratorExit or get_current() is self._attached):
                detach(self._token)
            # A context leads to the place of the call, and that to this: a circle, which only a search would find.
            self._token = self._attached = None
            if error is not None:
                drop_caller_frame(error)
            # One that the user's code caught inside would be kept, with all that its frames hold, until the next one.
            if told_last() is not None and nowhere():
                forget()
        return False


CallHookFactory = Callable[[Callable[..., Any], Any, Args, Kwargs], CallHook | None]
"""Makes the watch of a call from (the wrapped function, its instance, args, kwargs); None = let the call be."""


def wrap_call(watcher: CallHookFactory) -> Callable[..., Any]:
    """A wrapt wrapper that puts a watch around a function's calls."""

    def wrapper(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
        watch = _watch(watcher, wrapped, instance, args, kwargs)
        if watch is None:
            try:
                return wrapped(*args, **kwargs)
            except BaseException as error:
                drop_caller_frame(error)
                raise
        with watch:
            return watch.returned(wrapped(*args, **kwargs))

    return wrapper


def wrap_async_call(watcher: CallHookFactory) -> Callable[..., Any]:
    """A wrapt wrapper that puts a watch around a coroutine function's calls."""

    async def wrapper(wrapped: Callable[..., Awaitable[Any]], instance: Any, args: Args, kwargs: Kwargs) -> Any:
        watch = _watch(watcher, wrapped, instance, args, kwargs)
        if watch is None:
            try:
                return await wrapped(*args, **kwargs)
            except BaseException as error:
                drop_caller_frame(error)
                raise
        with watch:
            return watch.returned(await wrapped(*args, **kwargs))

    return wrapper


def wrap_async_override(watcher: CallHookFactory, function: Callable[..., Any]) -> Callable[..., Any]:
    """`wrap_async_call` for an async method that a class defines anew, `function`, which may be no coroutine function.

    A coroutine that it gives is watched all the same. Anything else is given as it is (what yields, a future), and is
    not watched: there is no telling when it ends.
    """
    if inspect.iscoroutinefunction(function):
        return wrap_async_call(watcher)

    def wrapper(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
        try:
            made = wrapped(*args, **kwargs)
        except BaseException as error:
            drop_caller_frame(error)
            raise
        return watched(_giving(made), instance, args, kwargs) if inspect.iscoroutine(made) else made

    watched = wrap_async_call(lambda _made, instance, args, kwargs: watcher(function, instance, args, kwargs))
    return wrapper


def _giving(made: _Result) -> Callable[..., _Result]:
    def give(*_args: object, **_kwargs: object) -> _Result:
        return made

    return give


def _watch(
    watcher: CallHookFactory,
    wrapped: Callable[..., Any],
    instance: Any,
    args: Args,
    kwargs: Kwargs,
) -> CallHook | None:
    # As `is_instrumentation_enabled` has it, with one look at the context instead of two.
    context = get_current()
    if context.get(_SUPPRESS_INSTRUMENTATION_KEY) or context.get("suppress_instrumentation"):
        return None
    try:
        return watcher(wrapped, instance, args, kwargs)
    except Exception as failure:
        report("a hook", failure)
        return None
