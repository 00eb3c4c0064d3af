"""Rename a private name of a library, as its next release may: the library itself uses the new name everywhere.

`python -m tests.support.renamed_private_names` imports DSPy once and then forks for each line of its input, a JSON object
`{"package": ..., "name": ...}`, or `"name": null` for a module; it answers with a JSON object. otel-dspy is imported after the name is gone.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from contextlib import suppress
from importlib import import_module
from importlib.abc import MetaPathFinder
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any, Final, cast

import dspy
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from typing_extensions import override

from tests.behavior.model import model
from tests.support.addition_task import exact, examples

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

_dspy: Any = dspy
_LOADED: Final = (
    "dspy.clients.execution",
    "dspy.clients.typesafe",
    "dspy.teleprompt.reanchor.calibrate",
    "gepa.optimize_anything",
    "opentelemetry.instrumentation.instrumentor",
    "opentelemetry.instrumentation.utils",
    "opentelemetry.util.genai.handler",
)
"""Libraries are loaded before a name goes: their code is renamed in memory, and not on disk."""
_SUFFIX: Final = "_of_the_next_release"


class _Gone(MetaPathFinder):
    """Refuses the import of a module and of what is inside."""

    def __init__(self, module: str) -> None:
        self._module = module

    @override
    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if f"{fullname}.".startswith(f"{self._module}."):
            raise ModuleNotFoundError(f"No module named {fullname!r}", name=fullname)


def remove_module(name: str) -> None:
    """Let no code import the module from now on; what has imported it goes on."""
    for loaded in [one for one in sys.modules if f"{one}.".startswith(f"{name}.")]:
        around, _, own = loaded.rpartition(".")
        if around in sys.modules:
            vars(sys.modules[around]).pop(own, None)
        del sys.modules[loaded]
    sys.meta_path.insert(0, _Gone(name))


def rename(package: str, name: str) -> int:
    """Rename functions, methods, attributes, variables and arguments of this name in the package's loaded code.

    Returns:
        How many places were renamed.
    """
    renaming = _Renaming(package, name)
    for module in list(sys.modules.values()):
        if renaming.belongs(getattr(module, "__name__", "")):
            renaming.namespace(module, vars(module))
    return renaming.count


class _Renaming:
    def __init__(self, package: str, name: str) -> None:
        self._package, self._name = package, name
        self._seen: dict[int, Any] = {}  # what was seen stays alive, so that no id is used again
        self.count = 0

    def belongs(self, module: object) -> bool:
        return isinstance(module, str) and f"{module}.".startswith(f"{self._package}.")

    def namespace(self, owner: Any, names: Any) -> None:
        for key, value in list(names.items()):
            if key == self._name:
                setattr(owner, key + _SUFFIX, value)
                delattr(owner, key)
                self.count += 1
            self._value(value)

    def _value(self, value: Any) -> None:
        if id(value) in self._seen:
            return
        self._seen[id(value)] = value
        if isinstance(value, FunctionType):
            self._function(value)
        elif isinstance(value, type) and self.belongs(value.__module__):
            self.namespace(value, vars(value))
        elif isinstance(value, property):
            self._value(value.fget)
            self._value(value.fset)
        elif isinstance(value, classmethod | staticmethod):
            self._value(value.__func__)

    def _function(self, function: FunctionType) -> None:
        if self.belongs(function.__module__):
            function.__code__ = self._code(function.__code__)
            defaults = function.__kwdefaults__ or {}
            if self._name in defaults:
                function.__kwdefaults__ = {self._new(key): default for key, default in defaults.items()}
        for cell in function.__closure__ or ():
            with suppress(ValueError):  # an empty cell
                self._value(cell.cell_contents)
        self._value(getattr(function, "__wrapped__", None))

    def _new(self, name: Any) -> Any:
        if name != self._name:
            return name
        self.count += 1
        return name + _SUFFIX

    def _code(self, code: CodeType) -> CodeType:
        return code.replace(
            co_names=tuple(map(self._new, code.co_names)),
            co_varnames=tuple(map(self._new, code.co_varnames)),
            co_consts=tuple(map(self._constant, code.co_consts)),
        )

    def _constant(self, constant: Any) -> Any:
        if isinstance(constant, CodeType):
            return self._code(constant)
        if isinstance(constant, tuple):  # the names of keyword arguments
            return tuple(map(self._new, cast("tuple[Any, ...]", constant)))
        return constant


def add(left: int, right: int) -> int:
    """Add two numbers."""
    return left + right


def run() -> str:
    """Call an agent with a tool, and evaluate a program; give the results as text."""
    with _dspy.context(lm=model()):
        agent = _dspy.ReAct("question -> answer", tools=[add], max_iters=1)(question="1+2")
        program = _dspy.ChainOfThought("question -> answer")
        evaluated = _dspy.Evaluate(devset=examples(3), metric=exact, num_threads=1)(program)
    return f"{agent.answer} {evaluated.score} {[row[1].answer for row in evaluated.results]}"


class _Lines(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{record.levelname} {record.getMessage()}")


def _without(asked: dict[str, Any]) -> dict[str, Any]:
    """What an instrumented program does and logs in this process from now on without the name."""
    if asked["name"] is not None:
        places = rename(asked["package"], asked["name"])
    else:
        places = 1
        remove_module(asked["package"])
    bare = run()
    lines, exporter = _Lines(), InMemorySpanExporter()
    logger = logging.getLogger("otel_dspy")
    logger.setLevel(logging.INFO)
    logger.addHandler(lines)
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    instrumentor: Any = import_module("otel_dspy").DSPyInstrumentor()  # not before the name is gone

    reader = InMemoryMetricReader()
    meters = MeterProvider([reader], shutdown_on_exit=False)
    instrumentor.instrument(tracer_provider=provider, meter_provider=meters, capture_content=True)
    instrumented = run()
    provider.force_flush()
    instrumentor.uninstrument()
    provider.shutdown()
    names = [span.name for span in exporter.get_finished_spans()]
    return {
        "places": places,
        "same": instrumented == bare,
        "spans": sorted(set(names)),
        "count": len(names),
        "lines": lines.lines,
    }


def main() -> None:
    """Answer each line of the input from a fork of its own."""
    for module in _LOADED:
        import_module(module)
    for line in sys.stdin:
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                found = _without(json.loads(line))
            except BaseException as error:  # noqa: BLE001 - the answer is the error
                found = {"raised": repr(error)}
            os.write(writing, json.dumps(found).encode())
            os._exit(0)
        os.close(writing)
        os.waitpid(child, 0)
        with os.fdopen(reading, "rb") as answer:
            sys.stdout.write(answer.read().decode() + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
