"""Context propagation for `Unbatchify`, which `dspy.retrievers.Embeddings` uses to batch inputs of several callers.

A worker thread processes the batches outside of the callers' contexts. Each batch runs in the context of the caller
that submitted its first input.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any, Final, cast

import wrapt
from opentelemetry.context import attach, detach, get_current
from opentelemetry.instrumentation.utils import is_instrumentation_enabled

from otel_dspy.hooks.patching.attribute_probe import AttributeProbe
from otel_dspy.hooks.patching.wrapper_frames import forwarding, hidden_frame
from otel_dspy.runtime.error_guard import guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from opentelemetry.context import Context

    from otel_dspy.hooks.patching.call_hook import Args, Kwargs
    from otel_dspy.hooks.patching.patches import Patches

_FUNCTION: Final = "batch_fn"


def install(patches: Patches) -> None:
    """Wrap the submission and the processing of inputs, also for objects created before DSPy was instrumented."""
    from dspy.utils.unbatchify import Unbatchify  # noqa: PLC0415 - dspy is imported when it is instrumented

    pending = _PendingContexts()

    def in_context(instance: Any, function: Any) -> Any:
        # The worker thread reads it for each batch. Other threads get the user's function unchanged.
        worker = cast("dict[str, Any]", vars(instance)).get("worker_thread") is threading.current_thread()
        return _carrying(pending, instance, function) if worker else function

    def submit(wrapped: Callable[..., Any], instance: Any, args: Args, kwargs: Kwargs) -> Any:
        key = instance, args[0] if args else kwargs.get("input_item")
        context = get_current()
        enabled = is_instrumentation_enabled()
        if enabled:
            pending.add(*key, context)
        try:
            with hidden_frame:
                return wrapped(*args, **kwargs)
        finally:
            if enabled:
                pending.forget(*key, context)

    patches.wrap(Unbatchify, "__call__", submit)
    patches.replace(Unbatchify, _FUNCTION, AttributeProbe(_FUNCTION, in_context))


class _PendingContexts:
    """Contexts of the submitted inputs. The callers keep references to the inputs, so their ids are not reused."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._contexts: dict[tuple[int, int], deque[Context]] = {}

    def add(self, batching: object, item: object, context: Context) -> None:
        """Add the context of a submitted item."""
        with self._lock:
            self._contexts.setdefault((id(batching), id(item)), deque()).append(context)

    def forget(self, batching: object, item: object, context: Context) -> None:
        """Remove the context of an item whose result has been returned to its caller."""
        key = id(batching), id(item)
        with self._lock:
            left = self._contexts[key]
            # By identity: a context may hold user objects whose `==` must not be called.
            del left[next(call_context for call_context, one in enumerate(left) if one is context)]
            if not left:
                del self._contexts[key]

    def first(self, batching: object, items: Iterable[object]) -> Context | None:
        """Return the context of the first of the items that has one; None if there is none."""
        with self._lock:
            for item in items:
                if found := self._contexts.get((id(batching), id(item))):
                    return found[0]
        return None


def _carrying(pending: _PendingContexts, batching: Any, function: Any) -> Any:
    def carried(wrapped: Callable[..., Any], _instance: Any, args: Args, kwargs: Kwargs) -> Any:
        token = None
        with guarded("the context of a batch"):
            context = pending.first(batching, args[0])
            token = attach(context) if context is not None else None
        try:
            with hidden_frame:
                return wrapped(*args, **kwargs)
        finally:
            if token is not None:
                detach(token)

    return wrapt.FunctionWrapper(function, forwarding(carried))
