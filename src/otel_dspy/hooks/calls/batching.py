"""`Unbatchify`, under `dspy.retrievers.Embeddings`: single inputs of many callers, worked off together by one thread.

That thread knows nothing of the callers. Its work on several inputs stands where the first of them was put in.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final, cast

import wrapt
from opentelemetry.context import attach, detach, get_current
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from otel_dspy.hooks.patching.frames import drop_caller_frame, forwarding
from otel_dspy.runtime.guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.context import Context

    from otel_dspy.hooks.patching.call_hook import Args, Kwargs
    from otel_dspy.hooks.patching.patches import Patches

_FUNCTION: Final = "batch_fn"


def install(patches: Patches) -> None:
    """Watch what is put in, and give the thread the context, also of an object made before it was instrumented."""
    from dspy.utils.unbatchify import Unbatchify  # noqa: PLC0415 - dspy is imported when it is instrumented

    waiting = _Waiting()

    def put_in(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
        key = instance, args[0] if args else kwargs.get("input_item")
        context = get_current()
        watched = is_instrumentation_enabled()
        if watched:
            waiting.add(*key, context)
        try:
            return wrapped(*args, **kwargs)
        except BaseException as error:
            drop_caller_frame(error)
            raise
        finally:
            if watched:
                waiting.forget(*key, context)

    patches.wrap(Unbatchify, "__call__", put_in)
    patches.replace(Unbatchify, _FUNCTION, _Function(waiting))


class _Waiting:
    """The contexts of what was put in and not worked off yet. The callers hold the objects: ids stay theirs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._contexts: dict[tuple[int, int], deque[Context]] = {}

    def add(self, batching: object, item: object, context: Context) -> None:
        """An item was put in."""
        with self._lock:
            self._contexts.setdefault((id(batching), id(item)), deque()).append(context)

    def forget(self, batching: object, item: object, context: Context) -> None:
        """Its caller has what came of it."""
        key = id(batching), id(item)
        with self._lock:
            left = self._contexts[key]
            # Not by `==`: a context may hold objects of the user's that are not to be compared.
            del left[next(place for place, one in enumerate(left) if one is context)]
            if not left:
                del self._contexts[key]

    def first(self, batching: object, items: Iterable[object]) -> Context | None:
        """The context of the first of these items that is known."""
        with self._lock:
            for item in items:
                if found := self._contexts.get((id(batching), id(item))):
                    return found[0]
        return None


class _Function:
    """Stands for the attribute `batch_fn`, which the thread reads for each batch; the object keeps its own."""

    def __init__(self, waiting: _Waiting) -> None:
        self._waiting = waiting

    def __get__(self, instance: Any, owner: type[Any] | None = None) -> Any:
        if instance is None:
            return self
        own = cast("dict[str, Any]", vars(instance))
        try:
            function = own[_FUNCTION]
        except KeyError:
            message = f"{type(instance).__name__!r} object has no attribute {_FUNCTION!r}"
            raise AttributeError(message, name=_FUNCTION, obj=instance) from None
        # Read elsewhere it is the user's own.
        worker = own.get("worker_thread") is threading.current_thread()
        return _carrying(self._waiting, instance, function) if worker else function

    def __set__(self, instance: Any, value: Any) -> None:
        vars(instance)[_FUNCTION] = value

    def __delete__(self, instance: Any) -> None:
        del vars(instance)[_FUNCTION]


def _carrying(waiting: _Waiting, batching: Any, function: Any) -> Any:
    def carried(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
        token = None
        with guarded("the context of a batch"):
            context = waiting.first(batching, args[0])
            token = attach(context) if context is not None else None
        try:
            return wrapped(*args, **kwargs)
        except BaseException as error:
            drop_caller_frame(error)
            raise
        finally:
            if token is not None:
                detach(token)

    return wrapt.FunctionWrapper(function, forwarding(carried))
