from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
import wrapt
from opentelemetry import context as otel_context
from opentelemetry.instrumentation.utils import suppress_instrumentation
from typing_extensions import override

from otel_dspy.hooks.patching.call_hook import CallHook, wrap_async_call, wrap_call

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from opentelemetry.context import Context

    from otel_dspy.hooks.patching.call_hook import CallHookFactory

KEY = otel_context.create_key("test")


class Diary(CallHook):
    """Writes down what happens, and raises where the test wants it."""

    part = "the watch of these tests"

    def __init__(self, *, fails: dict[str, BaseException] | None = None, attaches: bool = True) -> None:
        super().__init__()
        self.entries: list[Any] = []
        self._fails = fails or {}
        self._attaches = attaches

    def _note(self, *entry: object) -> None:
        self.entries.append(entry)
        error = self._fails.get(str(entry[0]))
        if error is not None:
            raise error

    @override
    def open(self) -> Context | None:
        self._note("open")
        return otel_context.set_value(KEY, "inside") if self._attaches else None

    @override
    def record_result(self, result: Any) -> None:
        self._note("see", result)

    @override
    def close(self, error: BaseException | None) -> None:
        self._note("close", error)


def always(watch: CallHook | None) -> CallHookFactory:
    """A watcher that gives this watch for every call."""
    return lambda _wrapped, _instance, _args, _kwargs: watch


def place() -> object:
    """What the current context contains."""
    return otel_context.get_value(KEY)


def call_sync(watch: CallHook | None, function: Callable[..., Any], *args: object, **kwargs: object) -> object:
    """Call through the sync wrapper."""
    wrapper = wrap_call(always(watch))
    return wrapt.FunctionWrapper(function, wrapper)(*args, **kwargs)


def call_async(watch: CallHook | None, function: Callable[..., Any], *args: object, **kwargs: object) -> object:
    """Call the same function as a coroutine function through the async wrapper."""

    async def coroutine_function(*args: object, **kwargs: object) -> object:
        await asyncio.sleep(0)
        return function(*args, **kwargs)

    async def main() -> object:
        before = otel_context.get_current()
        try:
            return await wrapt.FunctionWrapper(coroutine_function, wrap_async_call(always(watch)))(*args, **kwargs)
        finally:
            assert otel_context.get_current() == before, "the task's context is as it was"

    return asyncio.run(main())


WAYS = pytest.mark.parametrize("call", [call_sync, call_async])
RAISED = [ValueError("user's"), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit(), SystemExit(3)]


@WAYS
@pytest.mark.parametrize("attaches", [True, False])
def test_a_call_that_returns(call: Callable[..., Any], attaches: bool) -> None:  # noqa: FBT001 - a table's column
    """Opened, called in the watch's context, looked at, closed; arguments and result pass through as they are."""
    watch = Diary(attaches=attaches)
    result = object()
    got: list[Any] = []

    def function(*args: object, **kwargs: object) -> object:
        got.append((args, kwargs, place()))
        return result

    assert call(watch, function, 1, two=2) is result
    assert got == [((1,), {"two": 2}, "inside" if attaches else None)]
    assert watch.entries == [("open",), ("see", result), ("close", None)]
    assert place() is None


@WAYS
@pytest.mark.parametrize("error", RAISED, ids=lambda error: type(error).__name__)
def test_an_error_of_the_call_propagates(call: Callable[..., Any], error: BaseException) -> None:
    """The very exception reaches the caller, interrupts and cancellation too, and the hook is closed."""
    watch = Diary()

    def function() -> NoReturn:
        raise error

    with pytest.raises(type(error)) as raised:
        call(watch, function)
    assert raised.value is error
    assert watch.entries == [("open",), ("close", error)]
    assert place() is None


class Unreadable(Exception):  # noqa: N818 - what it is, not what failed
    """Raises another exception when anything is read of it, like the proxy of a remote exception."""

    @override
    def __getattribute__(self, name: str) -> NoReturn:
        raise KeyError(name)


@pytest.mark.parametrize("awaited", [True, False])
def test_an_exception_that_cannot_be_read_propagates(awaited: bool) -> None:  # noqa: FBT001 - a table's column
    """No attribute of it is read: the caller gets it and no other, and the context is restored."""

    def function() -> NoReturn:
        raise Unreadable

    async def coroutine_function() -> NoReturn:
        raise Unreadable

    caught: BaseException | None = None
    try:
        if awaited:
            # Without an event loop, which itself reads the exceptions of its tasks.
            wrapt.FunctionWrapper(coroutine_function, wrap_async_call(always(Diary())))().send(None)
        else:
            wrapt.FunctionWrapper(function, wrap_call(always(Diary())))()
    except Exception as error:  # noqa: BLE001 - not by `raises`, which reads it
        caught = error
    assert type(caught) is Unreadable
    assert place() is None


@WAYS
@pytest.mark.parametrize("moment", ["open", "see", "close"])
@pytest.mark.parametrize("call_fails", [False, True])
def test_what_a_watch_raises_stays_inside(call: Callable[..., Any], moment: str, call_fails: bool) -> None:  # noqa: FBT001 - a table's column
    """At any moment: the call is made once, its result or its own exception comes out, the context is restored."""
    watch = Diary(fails={moment: RuntimeError("ours")})
    made: list[object] = []

    def function() -> str:
        made.append(place())
        if call_fails:
            raise ValueError
        return "result"

    if call_fails:
        with pytest.raises(ValueError, match=r"^$") as raised:
            call(watch, function)
        assert raised.value.__context__ is None, "our failure doesn't show in the user's traceback"
    else:
        assert call(watch, function) == "result"
    assert made == [None if moment == "open" else "inside"]
    assert place() is None
    assert [entry[0] for entry in watch.entries] == (
        ["open"] if moment == "open" else ["open", "close"] if call_fails else ["open", "see", "close"]
    )


@WAYS
@pytest.mark.parametrize("moment", ["see", "close"])
def test_ctrl_c_in_a_watch_reaches_the_user_and_leaves_no_context(call: Callable[..., Any], moment: str) -> None:
    """An interrupt that comes while our code runs is the user's; the context is still put back."""
    watch = Diary(fails={moment: KeyboardInterrupt()})
    with pytest.raises(KeyboardInterrupt):
        call(watch, lambda: "result")
    assert place() is None
    assert watch.entries[-1][0] == "close"


@WAYS
def test_without_a_watch_the_call_is_let_be(call: Callable[..., Any]) -> None:
    """A watcher that gives None changes nothing."""
    assert call(None, lambda: place()) is None  # noqa: PLW0108 - looked up inside the call


@WAYS
def test_suppressed_instrumentation_makes_no_watch(call: Callable[..., Any]) -> None:
    """OpenTelemetry's own switch is heeded."""
    watch = Diary()
    with suppress_instrumentation():
        assert call(watch, lambda: "result") == "result"
    assert watch.entries == []


def test_a_watcher_that_raises_leaves_the_call_unwatched() -> None:
    """Making the watch is ours as well, sync and async."""

    def broken(*_: object) -> NoReturn:
        raise RuntimeError

    async def coroutine_function() -> str:
        await asyncio.sleep(0)
        return "result"

    def function() -> str:
        return "result"

    assert wrapt.FunctionWrapper(function, wrap_call(broken))() == "result"
    assert asyncio.run(wrapt.FunctionWrapper(coroutine_function, wrap_async_call(broken))()) == "result"


def test_a_wrapped_coroutine_function_stays_lazy_and_looks_like_one() -> None:
    """Nothing runs before it is awaited, and frameworks that ask still take it for a coroutine function."""
    watch = Diary()

    async def coroutine_function() -> str:
        await asyncio.sleep(0)
        return "result"

    wrapped = wrapt.FunctionWrapper(coroutine_function, wrap_async_call(always(watch)))
    assert inspect.iscoroutinefunction(wrapped)
    coroutine = wrapped()
    assert watch.entries == []
    assert asyncio.run(coroutine) == "result"
    assert watch.entries == [("open",), ("see", "result"), ("close", None)]


def test_a_cancelled_task_closes_its_watch() -> None:
    """Cancellation from outside, in the midst of the call, reaches the hook and the awaiting task."""
    watch = Diary()

    async def forever() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.create_task(wrapt.FunctionWrapper(forever, wrap_async_call(always(watch)))())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert watch.entries[0] == ("open",)
    assert isinstance(watch.entries[1][1], asyncio.CancelledError)


def test_a_coroutine_that_is_thrown_away_closes_its_watch() -> None:
    """`close()` on a started coroutine reaches the watch as GeneratorExit, and raises nothing."""
    watch = Diary(attaches=False)

    async def slow() -> None:
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    coroutine: Coroutine[Any, Any, None] = wrapt.FunctionWrapper(slow, wrap_async_call(always(watch)))()
    coroutine.send(None)
    coroutine.close()
    assert isinstance(watch.entries[-1][1], GeneratorExit)


def test_concurrent_calls_are_siblings() -> None:
    """Tasks that interleave see each its own context, and none is left behind."""

    async def main() -> list[object]:
        async def seen(number: int) -> object:
            class Numbered(Diary):
                @override
                def open(self) -> Context | None:
                    return otel_context.set_value(KEY, number)

            async def coroutine_function() -> object:
                for _ in range(3):
                    await asyncio.sleep(0)
                return place()

            return await wrapt.FunctionWrapper(coroutine_function, wrap_async_call(always(Numbered())))()

        found = await asyncio.gather(*(seen(number) for number in range(10)))
        assert place() is None
        return list(found)

    assert asyncio.run(main()) == list(range(10))


def test_arguments_keep_their_names() -> None:
    """Whatever a method calls its arguments, ours are not in their way."""
    got: dict[str, Any] = {}

    class Target:
        def method(self, **kwargs: object) -> None:
            got.update(kwargs)

    wrapped = wrapt.FunctionWrapper(Target.method, wrap_call(always(Diary())))
    wrapped(Target(), wrapped=1, instance=2, args=3, kwargs=4, watch=5)
    assert got == {"wrapped": 1, "instance": 2, "args": 3, "kwargs": 4, "watch": 5}


@pytest.mark.parametrize("call", [call_sync, call_async])
@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.parametrize("fails", [None, "open", "close"])
def test_no_frame_of_otel_dspy_is_in_a_traceback(call: Callable[..., Any], fails: str | None, *, watched: bool) -> None:
    """What the call raised came through no function of otel-dspy's, according to its traceback."""

    def broken() -> NoReturn:
        raise ArithmeticError("the user's own")

    watch = Diary(fails={} if fails is None else {fails: RuntimeError("ours")}) if watched else None
    with pytest.raises(ArithmeticError) as raised:
        call(watch, broken)
    assert [entry.name for entry in raised.traceback if "otel_dspy" in str(entry.path)] == []
    assert raised.traceback[-1].name == "broken"


def test_a_hook_with_the_former_name_of_record_result_is_called() -> None:
    """`see` is `record_result` now; a class of another package that has the former name warns once, and works."""
    with pytest.warns(DeprecationWarning, match="Former.see is deprecated, name it record_result") as warned:

        class Former(Diary):
            def see(self, result: Any) -> None:
                super().see(result)
                self.entries.append("former")

    class Latter(Former):
        @override
        def record_result(self, result: Any) -> None:
            super().record_result(result)
            self.entries.append("latter")

    assert (len(warned), warned[0].filename) == (1, __file__)
    for kind, entries in ((Former, ["former"]), (Latter, ["former", "latter"])):
        watch = kind()
        assert call_sync(watch, lambda: 7) == 7
        assert watch.entries == [("open",), ("see", 7), *entries, ("close", None)]


def test_a_mixin_may_have_the_former_name() -> None:
    """It is found in the order of the bases, as any method is."""

    class Mixin:
        entries: list[Any]

        def see(self, result: Any) -> None:
            self.entries.append(result)

    with pytest.warns(DeprecationWarning, match="Mixed.see is deprecated"):

        class Mixed(Mixin, Diary):
            pass

    watch = Mixed()
    assert call_sync(watch, lambda: 7) == 7
    assert watch.entries == [("open",), 7, ("close", None)]
