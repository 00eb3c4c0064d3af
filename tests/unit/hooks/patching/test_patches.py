from __future__ import annotations

import gc
import logging
import subprocess
import sys
import types
import weakref
from typing import TYPE_CHECKING, Any, NoReturn

import cloudpickle
import pytest

from otel_dspy.hooks.patching.patches import Patches

if TYPE_CHECKING:
    from collections.abc import Callable


class Base:
    """A class as DSPy's."""

    def greet(self) -> str:
        """Answer."""
        return "base"

    @classmethod
    def named(cls) -> str:
        """Answer with the class's name."""
        return cls.__name__

    @staticmethod
    def fixed(value: int) -> int:
        """Answer with the value."""
        return value


class Heir(Base):
    """Defines nothing itself."""


def tagged(tag: str) -> Callable[..., Any]:
    """A wrapt wrapper that adds its tag to what comes back."""

    def wrapper(wrapped: Callable[..., Any], _instance: object, args: Any, kwargs: Any) -> Any:
        return f"{tag}({wrapped(*args, **kwargs)})"

    return wrapper


def own(owner: object) -> dict[str, Any]:
    """What the class or module itself defines."""
    return dict(vars(owner))


def test_methods_of_every_kind_are_wrapped_and_put_back() -> None:
    """Plain, class and static methods work through the wrapper, and afterwards the class holds the same objects."""
    before = own(Base)
    patches = Patches()
    for name in ("greet", "named", "fixed"):
        patches.wrap(Base, name, tagged("w"))
    assert (Base().greet(), Heir().greet(), Heir.named(), Base.fixed(3)) == ("w(base)", "w(base)", "w(Heir)", "w(3)")
    patches.undo()
    assert own(Base) == before
    assert all(own(Base)[name] is before[name] for name in before)


def test_modules_and_absent_names() -> None:
    """A module's function is put back as well; a name that was not there is gone again."""
    module = types.ModuleType("library")
    function = module.__dict__["function"] = lambda: "plain"
    patches = Patches()
    patches.wrap(module, "function", tagged("w"))
    patches.replace(module, "added", 1)
    assert module.__dict__["function"]() == "w(plain)"
    patches.undo()
    assert module.__dict__["function"] is function
    assert "added" not in own(module)


def test_two_layers_come_off_in_turn() -> None:
    """Wrapped twice by us, the original is what remains."""
    before = own(Base)["greet"]
    patches = Patches()
    patches.wrap(Base, "greet", tagged("inner"))
    patches.wrap(Base, "greet", tagged("outer"))
    assert Base().greet() == "outer(inner(base))"
    patches.undo()
    assert own(Base)["greet"] is before


def test_what_is_only_inherited_or_missing_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    """Neither is an heir given a method of its own nor is a missing one invented; all of them are one quiet line."""
    with caplog.at_level(logging.INFO):
        patches = Patches()
        patches.wrap(Heir, "greet", tagged("w"))
        patches.wrap(Base, "no_such", tagged("w"))
        patches.wrap(Base, "nor_this", tagged("w"))
        patches.report_missing()
        patches.report_missing()
    assert "greet" not in own(Heir)
    [line] = [record.getMessage() for record in caplog.records]
    assert "lacks Heir.greet, Base.no_such, Base.nor_this;" in line
    patches.undo()


def test_a_later_patch_of_another_library_is_kept_and_the_wrapper_inside_is_inactive() -> None:
    """Another library wrapped ours: its wrapper stays, and our wrapper, which it holds, does nothing any more."""
    before = own(Base)["greet"]
    patches = Patches()
    patches.wrap(Base, "greet", tagged("ours"))
    ours = own(Base)["greet"]

    def theirs(self: Base) -> str:
        return f"theirs({ours.__get__(self, Base)()})"

    Base.greet = theirs
    try:
        assert Base().greet() == "theirs(ours(base))"
        patches.undo()
        assert own(Base)["greet"] is theirs
        assert Base().greet() == "theirs(base)"
    finally:
        Base.greet = before


def test_a_bound_method_that_was_kept_rests_too() -> None:
    """A method that a user took from an object while it was wrapped is the plain one afterwards."""
    patches = Patches()
    patches.wrap(Base, "greet", tagged("ours"))
    kept = Base().greet
    assert kept() == "ours(base)"
    patches.undo()
    assert kept() == "base"


def test_undo_twice_and_again() -> None:
    """A second undo does nothing, and what was undone can be wrapped anew."""
    patches = Patches()
    patches.wrap(Base, "greet", tagged("first"))
    patches.undo()
    patches.undo()
    anew = Patches()
    anew.wrap(Base, "greet", tagged("second"))
    assert Base().greet() == "second(base)"
    anew.undo()
    assert Base().greet() == "base"


@pytest.mark.usefixtures("only_own_garbage")
def test_a_wrapped_class_can_go() -> None:
    """A class that a user made for a while is not kept by us, although a method that calls `super()` holds it."""
    patches = Patches()

    def make() -> weakref.ref[type[Base]]:
        class Short(Base):
            def greet(self) -> str:
                return super().greet()

        patches.wrap(Short, "greet", tagged("w"))
        assert Short().greet() == "w(base)"
        return weakref.ref(Short)

    reference = make()
    gc.collect()
    assert reference() is None
    patches.undo()


def test_one_class_that_refuses_keeps_the_others_not_patched() -> None:
    """A metaclass that raises when it is set costs its own undoing alone."""

    class Locked(type):
        locked = False

        def __setattr__(cls, name: str, value: object) -> None:
            if cls.locked:
                raise RuntimeError
            super().__setattr__(name, value)

    class Stubborn(metaclass=Locked):
        def greet(self) -> str:
            return "stubborn"

    before = own(Base)["greet"]
    patches = Patches()
    patches.wrap(Base, "greet", tagged("w"))
    patches.wrap(Stubborn, "greet", tagged("w"))
    Locked.locked = True
    patches.undo()
    assert own(Base)["greet"] is before
    assert Stubborn().greet() == "stubborn"


def test_what_a_wrapped_method_raises_comes_out() -> None:
    """The wrapper adds nothing to it."""

    class Failing:
        def greet(self) -> NoReturn:
            raise ValueError

    patches = Patches()
    patches.wrap(Failing, "greet", tagged("w"))
    try:
        Failing().greet()
    except ValueError as error:
        raised = error
    assert raised.__context__ is None
    patches.undo()


_LOAD = """
import pickle, sys
loaded = pickle.load(sys.stdin.buffer)
print(*(getattr(loaded, name)() for name in sys.argv[1:]), "otel_dspy" in sys.modules)
"""


def test_a_class_that_cannot_be_imported_is_pickled_by_value() -> None:
    """As cloudpickle does for a notebook's classes; methods of every kind are the original ones in another process."""

    class Called:
        def __call__(self) -> str:
            return "object"

    class Local:
        called = Called()

        @staticmethod
        def static() -> str:
            return "static"

        @classmethod
        def named(cls) -> str:
            return cls.__name__

        def method(self) -> str:
            return "method"

    patches = Patches()
    names = ("called", "static", "named", "method")
    for name in names:
        patches.wrap(Local, name, tagged("w"))
    try:
        pickled = cloudpickle.dumps(Local())
    finally:
        patches.undo()
    printed = subprocess.run([sys.executable, "-c", _LOAD, *names], input=pickled, capture_output=True, check=True)
    assert printed.stdout.split() == [b"object", b"static", b"Local", b"method", b"False"]
