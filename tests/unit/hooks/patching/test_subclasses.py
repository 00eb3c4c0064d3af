from __future__ import annotations

import pickle
import subprocess
import sys
from cmd import Cmd
from typing import TYPE_CHECKING, Any, cast

import cloudpickle
import cloudpickle.cloudpickle
import pytest
from typing_extensions import override

from otel_dspy.hooks.patching.patches import Patches
from otel_dspy.hooks.patching.subclasses import wrap_with_subclasses

if TYPE_CHECKING:
    from collections.abc import Callable


def family() -> type[Any]:
    """A base class, new for each test."""

    class Base:
        def run(self) -> list[str]:
            return ["base"]

    return Base


def tagged(function: Callable[..., Any]) -> Callable[..., Any]:
    """A wrapt wrapper that names the class whose function it wraps."""
    name = function.__qualname__.split(".")[-2]

    def wrapper(wrapped: Callable[..., Any], _instance: object, args: Any, kwargs: Any) -> list[str]:
        return [f"<{name}", *wrapped(*args, **kwargs), ">"]

    return wrapper


def test_each_class_that_defines_the_method_is_wrapped_once() -> None:
    """Before and after, also where two parents share the base; who inherits is wrapped by its parent alone."""
    base = family()

    class Left(base):
        def run(self) -> list[str]:
            return ["left", *super().run()]

    class Right(base):
        pass

    patches = Patches()
    wrap_with_subclasses(patches, base, "run", tagged)

    class Both(Left, Right):
        def run(self) -> list[str]:
            return ["both", *super().run()]

    expected_left = ["<Left", "left", "<Base", "base", ">", ">"]
    assert cast("Any", Right)().run() == ["<Base", "base", ">"]
    assert cast("Any", Left)().run() == expected_left
    assert cast("Any", Both)().run() == ["<Both", "both", *expected_left, ">"]
    patches.undo()
    assert cast("Any", Both)().run() == ["both", "left", "base"]
    assert "__init_subclass__" not in vars(base)


def test_classes_after_undo_are_not_wrapped() -> None:
    """Also where somebody else's `__init_subclass__` still calls ours."""
    base = family()
    patches = Patches()
    wrap_with_subclasses(patches, base, "run", tagged)
    ours = vars(base)["__init_subclass__"]

    def theirs(cls: type[Any], **kwargs: object) -> None:
        ours.__get__(None, cls)(**kwargs)

    type.__setattr__(base, "__init_subclass__", classmethod(theirs))
    patches.undo()

    class Late(base):
        def run(self) -> list[str]:
            return ["late"]

    assert cast("Any", Late)().run() == ["late"]


def test_the_bases_own_init_subclass_is_kept() -> None:
    """It runs first, with its keywords, on the new class; what it raises is the user's to see."""
    seen: list[tuple[str, str]] = []

    class Base:
        def __init_subclass__(cls, *, label: str, **kwargs: object) -> None:
            super().__init_subclass__(**kwargs)
            if label == "bad":
                raise ValueError(label)
            seen.append((cls.__name__, label))

        def run(self) -> list[str]:
            return ["base"]

    before = vars(Base)["__init_subclass__"]
    patches = Patches()
    wrap_with_subclasses(patches, Base, "run", tagged)

    class Child(Base, label="good"):
        def run(self) -> list[str]:
            return ["child"]

    with pytest.raises(ValueError, match="bad"):
        type("Bad", (Base,), {}, label="bad")
    assert seen == [("Child", "good")]
    assert Child().run() == ["<Child", "child", ">"]
    patches.undo()
    assert vars(Base)["__init_subclass__"] is before
    assert Child().run() == ["child"]


def test_a_grandparents_init_subclass_is_called() -> None:
    """Where the base has none of its own, the next one up is not lost."""
    seen: list[str] = []

    class Grand:
        def __init_subclass__(cls, **kwargs: object) -> None:
            super().__init_subclass__(**kwargs)
            seen.append(cls.__name__)

    class Base(Grand):
        def run(self) -> list[str]:
            return ["base"]

    patches = Patches()
    wrap_with_subclasses(patches, Base, "run", tagged)
    type("Child", (Base,), {})
    assert seen == ["Base", "Child"]
    patches.undo()


def test_an_unknown_keyword_is_rejected_as_without_instrumentation() -> None:
    """Python's own error for a wrong class keyword is not swallowed."""
    base = family()
    patches = Patches()
    wrap_with_subclasses(patches, base, "run", tagged)
    with pytest.raises(TypeError):
        type("Child", (base,), {}, wrong="keyword")
    patches.undo()


def test_a_failing_wrapper_maker_breaks_no_class() -> None:
    """A class that a user defines exists whatever happens to us."""
    base = family()
    patches = Patches()

    def broken(function: Callable[..., Any]) -> Callable[..., Any]:
        if function.__qualname__.endswith("Child.run"):
            raise RuntimeError
        return tagged(function)

    wrap_with_subclasses(patches, base, "run", broken)

    class Child(base):
        def run(self) -> list[str]:
            return ["child"]

    assert cast("Any", Child)().run() == ["child"]
    patches.undo()


_LOAD = """
import pickle, sys
loaded = pickle.load(sys.stdin.buffer)
print(loaded().default("line"), "otel_dspy" in sys.modules)
"""


@pytest.mark.parametrize("known", [True, False], ids=["a class that is there", "a class of another process"])
def test_a_class_that_cloudpickle_loads(monkeypatch: pytest.MonkeyPatch, *, known: bool) -> None:
    """Its method is wrapped once, until `undo`; another process loads the original function, without otel-dspy."""
    of_cloudpickle: Any = cloudpickle.cloudpickle
    original = of_cloudpickle._class_setstate

    class Inherited(Cmd):  # of a class that other processes import
        @override
        def default(self, line: str) -> Any:
            return [line]

    patches = Patches()
    wrap_with_subclasses(patches, Cmd, "default", tagged)
    try:
        pickled = cloudpickle.dumps(Inherited)
        if not known:
            for tracker in ("_DYNAMIC_CLASS_TRACKER_BY_ID", "_DYNAMIC_CLASS_TRACKER_BY_CLASS"):
                monkeypatch.setattr(of_cloudpickle, tracker, type(getattr(of_cloudpickle, tracker))())
        loaded: Any = pickle.loads(pickled)  # noqa: S301 - our own bytes
        assert (loaded is Inherited) is known
        for _ in range(2):
            assert loaded().default("line") == ["<Inherited", "line", ">"]
            assert pickle.loads(pickled) is loaded  # noqa: S301 - the same
    finally:
        patches.undo()
    assert loaded().default("line") == ["line"]
    assert of_cloudpickle._class_setstate is original
    printed = subprocess.run([sys.executable, "-c", _LOAD], input=pickled, capture_output=True, check=True)
    assert printed.stdout.split() == [b"['line']", b"False"]
