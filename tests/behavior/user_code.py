"""What a user does around programs: callbacks, errors, warnings, copies, pickles, files, streams, introspection."""

from __future__ import annotations

import asyncio
import copy
import inspect
import pickle
import warnings
from typing import TYPE_CHECKING, Any, Final, cast

import cloudpickle
import dspy
from dspy.lm15 import response_to_events
from dspy.teleprompt import Teleprompter
from dspy.utils.callback import BaseCallback

from tests.behavior.model import answer, model
from tests.behavior.programs import add
from tests.support.addition_task import exact, examples
from tests.support.in_process_lm import ScriptedEngine
from tests.support.streaming_lm import handed_out, streaming_lm
from tests.support.two_step_programs import Thinking

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from tests.behavior.observation import Scenario, Stage


class Notes(BaseCallback):
    """Notes every event in order; identified by the number of its call, with nesting."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self._numbers: dict[str, int] = {}

    def __getattribute__(self, name: str) -> Any:
        """A noter for every event that there is."""
        if not name.startswith("on_"):
            return super().__getattribute__(name)

        def note(call_id: str, **recorded: Any) -> None:
            number = self._numbers.setdefault(call_id, len(self._numbers))
            instance = recorded.pop("instance", None)
            self.events.append((name, number, type(instance).__name__, recorded))

        return note


def _watched(act: Callable[[], Any]) -> Any:
    notes = Notes()
    with dspy.context(callbacks=[notes]):
        result = act()
    return [result, notes.events]


def _callbacks_of_calls(_: Stage) -> Any:
    tool: Any = cast("Any", dspy.Tool)(add)
    return _watched(
        lambda: [Thinking()(question="1+1"), tool(left=1, right=2), asyncio.run(Thinking().acall(question="3+1"))]
    )


def _callbacks_of_an_optimization(_: Stage) -> Any:
    evaluate = dspy.Evaluate(devset=examples(2), metric=exact, num_threads=1)
    optimizer = dspy.BootstrapFewShot(exact, max_bootstrapped_demos=1)
    program = dspy.Predict("question -> answer")
    return _watched(lambda: [optimizer.compile(program, trainset=examples(3)), evaluate(program).score])


def _callbacks_of_an_object(_: Stage) -> Any:
    notes = Notes()
    program = dspy.Predict("question -> answer", callbacks=[notes])
    return [program(question="1+1"), notes.events]


class UserError(Exception):
    """An exception with attributes of the user's own."""

    def __init__(self, text: str) -> None:
        super().__init__(text, 7)
        self.code = 7


class Failing(dspy.Module):
    """Raises with a cause and a note."""

    def forward(self, question: str) -> Any:
        """Raise."""
        error = UserError("broken")
        error.add_note("the user's own note")
        raise error from KeyError(question)

    async def aforward(self, question: str) -> Any:
        """Raise."""
        return self.forward(question)


def _error_of_a_program(_: Stage) -> Any:
    return Failing()(question="1+1")


def _error_of_an_awaited_program(_: Stage) -> Any:
    return asyncio.run(Failing().acall(question="1+1"))


def _error_of_the_model(_: Stage) -> Any:
    lm: Any = model()
    lm._engine_spec.failures.append(ConnectionError("no line"))
    with dspy.context(lm=lm):
        return dspy.Predict("question -> answer")(question="1+1")


def _error_of_a_tool(_: Stage) -> Any:
    def broken(left: int) -> int:
        raise UserError(str(left))

    tool: Any = cast("Any", dspy.Tool)(broken)
    return tool(left=1)


def _wrong_arguments(_: Stage) -> Any:
    """What Python and DSPy say of calls that are wrong."""
    texts: list[Any] = []
    calls: list[Callable[[], Any]] = [
        cast("Any", Thinking()),
        lambda: cast("Any", dspy.Predict("question -> answer"))("positional"),
        cast("Any", dspy.Evaluate(devset=examples(1), metric=exact)),
        lambda: cast("Any", dspy.Evaluate(devset=[], metric=exact))(Thinking()),
        cast("Any", dspy.BootstrapFewShot(exact)).compile,
        lambda: cast("Any", dspy.BootstrapFewShot(exact)).compile(Thinking(), trainset=[], nonsense=1),
        lambda: cast("Any", dspy.Tool(add))(left=1),
        lambda: cast("Any", dspy.Tool(add))(1, 2),
    ]
    for call in calls:
        try:
            texts.append(call())
        except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked at
            texts.append(error)
    return texts


class Warning_(dspy.Module):  # noqa: N801 - shadows no builtin
    """Warns its caller."""

    def forward(self, question: str) -> Any:
        """Warn and answer."""
        warnings.warn(f"asked {question}", UserWarning, stacklevel=1)
        return dspy.Prediction(answer=question)


def _warnings(stage: Stage) -> Any:
    lm: Any = stage.lm
    lm(messages=[{"role": "user", "content": "a deprecated way"}])
    dspy.Evaluate(devset=examples(2), metric=exact, num_threads=1)(Warning_())
    return Warning_()(question="1+1")


def _streaming(_: Stage) -> Any:
    class Engine(ScriptedEngine):
        def stream(self, request: Any) -> Iterator[Any]:
            return response_to_events(self.complete(request))

    class AsyncEngine:
        async def complete(self, request: Any) -> Any:
            return Engine(answer).complete(request)

        async def stream(self, request: Any) -> AsyncIterator[Any]:
            for event in Engine(answer).stream(request):
                yield event

    async def chunks() -> list[Any]:
        lm = dspy.LM("openai/streamed", engine=Engine(answer), async_engine=AsyncEngine(), cache=False)
        listener = dspy.streaming.StreamListener(signature_field_name="answer")
        program = dspy.Predict("question -> answer")
        with dspy.context(lm=lm):
            stream: Any = cast("Any", dspy).streamify(
                program, stream_listeners=[listener], include_final_prediction_in_output_stream=True
            )
            return [chunk async for chunk in stream(question="1+1")]

    return [
        (type(chunk).__name__, getattr(chunk, "chunk", None), getattr(chunk, "is_last_chunk", None), str(chunk))
        for chunk in asyncio.run(chunks())
    ]


def _piece(chunk: Any) -> str:
    # A chunk also has the predictor's address.
    return str(chunk.choices[0].delta) if hasattr(chunk, "choices") else str(chunk)


def _streamed(lm: dspy.LM, *, awaited: bool, **settings: Any) -> Any:
    program = dspy.Predict("question -> answer")
    with dspy.context(lm=lm):
        streamed = cast("Any", dspy).streamify(program, is_async_program=awaited, **settings)(question="1+1")
        if not settings.get("async_streaming", True):
            return [_piece(chunk) for chunk in streamed]

        async def read() -> list[str]:
            return [_piece(chunk) async for chunk in streamed]

        return asyncio.run(read())


def _streaming_without_a_loop(_: Stage) -> Any:
    return _streamed(streaming_lm(answer), awaited=False, async_streaming=False)


def _stream_that_breaks(_: Stage) -> Any:
    lm = streaming_lm(answer, breaks_after=2, error=ConnectionError("the line was cut"))
    try:
        return _streamed(lm, awaited=True)
    except dspy.LMError as error:
        return [type(error).__name__, str(error)]


def _streaming_in_part(_: Stage) -> Any:
    """Reads two chunks and goes; what the model was asked for until then is noted."""
    lm = streaming_lm(answer)

    async def read() -> list[Any]:
        with dspy.context(lm=lm):
            stream = cast("Any", dspy).streamify(dspy.Predict("question -> answer"), is_async_program=True)
            chunks = stream(question="1+1")
            return [_piece(await anext(chunks)), _piece(await anext(chunks)), handed_out(lm)]

    return [asyncio.run(read()), handed_out(lm)]


def _own_optimizer() -> type[Any]:
    # Not importable, so that it is pickled by value, as what a notebook defines is.
    class Own(Teleprompter):
        def __init__(self) -> None:
            super().__init__()
            self.metric = exact

        def compile(self, student: Any, *, trainset: list[Any], **kwargs: Any) -> Any:
            del trainset, kwargs
            return student

    return Own


def _own_model() -> type[Any]:
    class Own(dspy.LM):
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return cast("Any", super()).__call__(*args, **kwargs)

    return Own


def _copies(_: Stage) -> Any:
    """Every kind of copy of every kind of object, and whether what comes out works like what went in."""
    objects: dict[str, Any] = {
        "program": Thinking(),
        "optimizer": dspy.BootstrapFewShot(exact),
        "own optimizer": _own_optimizer()(),
        "own optimizer's class": _own_optimizer(),
        "model": dspy.LM("openai/none", api_key="k"),
        "own model": _own_model()("openai/none", api_key="k"),
        "own model's class": _own_model(),
        "tool": dspy.Tool(add),
        "evaluation": dspy.Evaluate(devset=examples(1), metric=exact),
        "bound call": Thinking().__call__,
        "bound compile": dspy.BootstrapFewShot(exact).compile,
        "bound compile of an own one": _own_optimizer()().compile,
        "function": dspy.MIPROv2.compile,
        "function of the base": dspy.Module.__call__,
    }
    ways: dict[str, Callable[[Any], Any]] = {
        "copy": copy.copy,
        "deepcopy": copy.deepcopy,
        "pickle": lambda value: _unpickled(pickle.dumps(value)),
        "cloudpickle": lambda value: _unpickled(cloudpickle.dumps(value)),
    }
    return {
        f"{way} of {name}": _copied(copied, value) for name, value in objects.items() for way, copied in ways.items()
    }


def _unpickled(packed: bytes) -> Any:
    # They are to be read where otel-dspy is not installed, too.
    assert b"otel_dspy" not in packed
    return pickle.loads(packed)  # noqa: S301 - our own bytes


def _copied(copied: Callable[[Any], Any], value: Any) -> Any:
    try:
        made = copied(value)
    except Exception as error:  # noqa: BLE001 - some of them cannot be pickled, watched or not
        # The text names an object by its address, or by its wrapper's type.
        return type(error).__name__
    return [
        made.__name__ if isinstance(made, type) else made.__class__.__name__,
        getattr(made, "__qualname__", None),
        # cloudpickle takes a watched function for one that cannot be imported, and sends it along: it works the same.
        None if inspect.isfunction(value) else made == value,
        sorted(cast("dict[str, Any]", vars(made))) if hasattr(made, "__dict__") and not callable(made) else None,
    ]


def _plain_functions(_: Stage) -> Any:
    """DSPy evaluates anything that can be called."""

    def program(question: str) -> Any:
        return dspy.Prediction(answer=question)

    result = dspy.Evaluate(devset=examples(2), metric=exact, num_threads=1)(cast("Any", program))
    return [result.score, result.results]


def _files(stage: Stage) -> Any:
    program = Thinking()
    program.save(str(stage.folder / "program"), save_program=True)
    program.save(str(stage.folder / "program.json"))
    loaded = cast("Any", dspy).load(str(stage.folder / "program"), allow_pickle=True)
    again = Thinking()
    again.load(str(stage.folder / "program.json"))
    names = sorted(str(path.relative_to(stage.folder)) for path in stage.folder.rglob("*") if path.is_file())
    pickled = (stage.folder / "program" / "program.pkl").read_bytes()
    return [names, b"otel" in pickled, loaded(question="1+1"), again(question="3+1")]


def _introspection(_: Stage) -> Any:
    """What introspection returns for every instrumented method."""
    owners: dict[str, Any] = {
        "Module": dspy.Module, "Predict": dspy.Predict, "LM": dspy.LM, "BaseLM": dspy.BaseLM, "Tool": dspy.Tool,
        "Evaluate": dspy.Evaluate, "MIPROv2": dspy.MIPROv2, "BootstrapFewShot": dspy.BootstrapFewShot,
        "ParallelExecutor": __import__("dspy.utils.parallelizer", fromlist=["_"]).ParallelExecutor,
        "Own": _own_optimizer(),
    }  # fmt: skip
    found: dict[str, Any] = {}
    for owner_name, owner in owners.items():
        for name in ("__call__", "acall", "compile", "execute"):
            if any(name in vars(base) for base in owner.__mro__):
                found[f"{owner_name}.{name}"] = _introspected(getattr(owner, name))
    program: Any = Thinking()
    return [
        found,
        inspect.signature(program),
        inspect.iscoroutinefunction(program.acall),
        inspect.ismethod(program.__call__),
        program.__call__ == program.__call__,
        program.__call__.__self__ is program,
        [name for name, _ in program.named_sub_modules()],
        sorted(cast("dict[str, Any]", vars(program))),
        sorted(name for name in dir(program) if "otel" in name),
        [kind.__name__ for kind in type(program).__mro__],
    ]


def _introspected(function: Any) -> list[Any]:
    return [
        function.__name__,
        function.__qualname__,
        function.__module__,
        function.__doc__,
        str(inspect.signature(function)),
        inspect.iscoroutinefunction(function),
        inspect.isfunction(function),
        inspect.getsourcefile(function),
        inspect.getsourcelines(function)[1],
        sorted(function.__annotations__),
        sorted(getattr(function, "__kwdefaults__", None) or ()),
    ]


USER_CODE: Final[Mapping[str, Scenario]] = {
    "callbacks of calls": _callbacks_of_calls,
    "callbacks of an optimization": _callbacks_of_an_optimization,
    "callbacks of one object": _callbacks_of_an_object,
    "a program that raises": _error_of_a_program,
    "an awaited program that raises": _error_of_an_awaited_program,
    "a model that raises": _error_of_the_model,
    "a tool that raises": _error_of_a_tool,
    "a plain function as a program": _plain_functions,
    "wrong arguments": _wrong_arguments,
    "warnings": _warnings,
    "streaming": _streaming,
    "streaming without an event loop": _streaming_without_a_loop,
    "a stream that breaks": _stream_that_breaks,
    "a stream that is read in part": _streaming_in_part,
    "copies and pickles": _copies,
    "saved programs": _files,
    "introspection": _introspection,
}
"""Name -> what is done."""
