"""Private names of other libraries: the table in docs/architecture.md is complete, and the next release may rename them.

Each name of OpenTelemetry, opentelemetry-util-genai, DSPy and gepa is renamed in the library's loaded code, as a release
would do, before otel-dspy is imported. A program has the same results; what is recorded and logged is the table's.
"""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

_ROOT: Final = Path(__file__).resolve().parents[2]
_SOURCE: Final = _ROOT / "src" / "otel_dspy"
_PAGE: Final = _ROOT / "docs" / "architecture.md"

_ALL_SPANS: Final = [
    "chat scripted", "dataset evaluation", "evaluate exact", "example exact", "execute_tool add", "invoke_agent ReAct",
    "module ChainOfThought", "module Predict", "module ReAct",
]  # fmt: skip
_API: Final = "opentelemetry"
_SDK: Final = "opentelemetry.sdk"
_GENAI: Final = "opentelemetry.util.genai"
_EXECUTION: Final = "dspy.clients.execution"
_REANCHOR: Final = "dspy.teleprompt.reanchor.calibrate"

_UNRECORDED: Final = [
    (_API, "_SUPPRESS_INSTRUMENTATION_KEY"),
    ("opentelemetry.semconv._incubating", None),
    ("opentelemetry._logs", None),
]
"""(package, name), or (module, None), without which nothing is recorded; an error is logged."""

_LOGGED: Final = [
    *((_GENAI, name, f"TelemetryHandler.{name}") for name in (
        "_tracer", "_logger", "_instruments", "_completion_hook", "_content_capturing_mode",
    )),
    (_GENAI, "_should_emit_event", "_should_emit_event"),
    (f"{_GENAI}._inference_invocation", None, "_should_emit_event"),
    *(("dspy", name, f"{_EXECUTION}.{name}") for name in ("_attempt", "_aattempt")),
    *(("dspy", name, f"MIPROv2.{name}") for name in (
        "_bootstrap_fewshot_examples", "_propose_instructions", "_optimize_prompt_parameters", "_set_random_seeds",
        "_set_hyperparams_from_run_mode", "_select_and_insert_instructions_and_demos", "_perform_full_evaluation",
    )),
    *(("dspy", name, f"BootstrapFewShot.{name}") for name in ("_bootstrap", "_bootstrap_one_example")),
    *(("dspy", name, f"BetterTogether.{name}") for name in ("_prepare_trainset_and_valset", "_run_and_evaluate_step")),
    ("dspy", "_set_signature", "COPRO._set_signature"),
    ("dspy", "_finish", "TypeSafe._finish"),
    *(("dspy", name, f"{_REANCHOR}.{name}") for name in ("_observe", "_fit_threshold", "_fit_weights", "_fit_cuts")),
    ("dspy", "_interpreter_context", "ProgramOfThought._interpreter_context, RLM._interpreter_context"),
]  # fmt: skip
"""(package, name, what the one INFO line calls it): the rest is recorded."""

_DEGRADED: Final = [
    (_API, "_TRACER_PROVIDER"),
    (_API, "_real_instrument"),
    ("opentelemetry.trace", "_tracer"),
    *((_SDK, name) for name in (
        "_active_span_processor", "_span_processors", "_span_processor", "_limits", "_batch_processor", "_queue",
        "_export_lock", "_measurement_consumer", "_is_enabled", "_sdk_config", "_reader_storages",
        "_instrument_view_instrument_matches", "_reset_on_collect", "_attributes_aggregation",
        "_get_or_init_view_instrument_match", "_view",
    )),
    (f"{_GENAI}._conversation_context", None),
    *((_GENAI, name) for name in (
        "_apply_finish", "_apply_error_attributes", "_get_message_attributes", "_record_client_metrics",
        "_monotonic_start_s", "_span_context", "_context_key", "_request_stream", "_on_stream_chunk", "_start_span",
    )),
    *(("dspy", name) for name in (
        "_process_lm_response", "_make_json_adapter_fallback", "_get_litellm", "_input_keys", "_compiled",
    )),
    ("cloudpickle", "_class_setstate"),
    *(("gepa", name) for name in ("_propose_texts_batch", "_initial_evaluation_cache", "_fn")),
]  # fmt: skip
"""(package, name), or (module, None), without which this program's spans are the same, and nothing is logged."""

_Renaming = Any


@pytest.fixture(scope="module")
def renaming() -> Iterator[_Renaming]:
    """A process that has imported the libraries once and forks for each name; see `tests.support.renamed_private_names`."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.support.renamed_private_names"],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        yield process


def _without(process: _Renaming, package: str, name: str | None) -> dict[str, Any]:
    process.stdin.write(json.dumps({"package": package, "name": name}) + "\n")
    process.stdin.flush()
    found = json.loads(process.stdout.readline())
    assert found.pop("places") > 0  # otherwise the name is not the library's any more
    return found


@pytest.mark.parametrize(("package", "name"), _UNRECORDED)
def test_without_it_dspy_is_not_instrumented(package: str, name: str | None, renaming: _Renaming) -> None:
    """The program runs as without otel-dspy; one error names what is missing."""
    found = _without(renaming, package, name)
    (line,) = found.pop("lines")
    assert line.startswith("ERROR otel-dspy")
    assert "does not instrument DSPy: an installed package lacks a name that it needs" in line
    assert str(name or package) in line
    assert found == {"same": True, "spans": [], "count": 0}


@pytest.mark.parametrize(
    ("package", "name", "logged"),
    [pytest.param(*case, marks=pytest.mark.slow if case[0] == "dspy" else ()) for case in _LOGGED],
)
def test_without_it_one_line_is_logged(package: str, name: str | None, logged: str, renaming: _Renaming) -> None:
    """The rest is recorded; one line names what is missing."""
    found = _without(renaming, package, name)
    (line,) = found.pop("lines")
    assert re.match(rf"INFO otel-dspy: (DSPy|opentelemetry-util-genai) \S+ lacks {re.escape(logged)};", line), line
    assert found == {"same": True, "spans": _ALL_SPANS, "count": 22}


@pytest.mark.slow
@pytest.mark.parametrize(("package", "name"), _DEGRADED)
def test_without_it_the_spans_are_the_same(package: str, name: str | None, renaming: _Renaming) -> None:
    """Neither a span nor a result is lost; what is lost is no part of this program, or takes longer."""
    assert _without(renaming, package, name) == {"same": True, "spans": _ALL_SPANS, "count": 22, "lines": []}


_PRIVATE: Final = re.compile(r"_(?!_)\w*[A-Za-z]\w*")
_NOT_PRIVATE: Final = {
    "_asdict", "_replace",  # public methods of named tuples
    "_otel_dspy_drains_on_flush",  # set by otel-dspy
    "_table", "_tokens", "_ENDPOINT", "_EXPORTER", "_PROTOCOL",  # endings of names
}  # fmt: skip


def _is_private(name: object) -> bool:
    return isinstance(name, str) and _PRIVATE.fullmatch(name) is not None


def _defined(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
            yield name
        case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
            yield name
        case ast.Assign(targets=[ast.Name(id="__slots__")], value=value):
            yield from (one.value for one in ast.walk(value) if isinstance(one, ast.Constant))  # type: ignore[misc]
        case _:
            pass


def _used(node: ast.AST) -> Iterator[object]:
    match node:
        case ast.Attribute(attr=name):
            yield name
        case ast.Constant(value=str(name)):
            yield name  # of `getattr` and `patches.wrap`
        case ast.keyword(arg=str(name)):
            yield name
        case ast.ImportFrom(module=module, names=names):
            yield from (module or "").split(".")
            yield from (alias.name for alias in names)
        case ast.Import(names=names):
            yield from (part for alias in names for part in alias.name.split("."))
        case _:
            pass


def _in_source() -> tuple[dict[str, set[str]], set[str]]:
    """Private names that are used (name -> files), and those that otel-dspy defines."""
    used: defaultdict[str, set[str]] = defaultdict(set)
    defined: set[str] = set()
    for path in sorted(_SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            defined.update(_defined(node))
            for name in _used(node):
                if _is_private(name):
                    used[str(name)].add(path.relative_to(_SOURCE).as_posix())
    return used, defined


def _in_table() -> set[str]:
    page = _PAGE.read_text(encoding="utf-8")
    section = page[page.index("\n## Private names in use\n") :]
    firsts = [line.split("|")[1] for line in section.splitlines() if line.startswith("| ")]
    codes = [code for first in firsts for code in re.findall(r"`([^`]+)`", first)]
    return {part for code in codes for part in re.split(r"[.\s]", code) if _is_private(part)}


def test_the_table_has_the_private_names_of_the_source() -> None:
    """Every private name that otel-dspy uses and does not define is in the table, and every one there is used."""
    used, defined = _in_source()
    table = _in_table()
    assert {name: used[name] for name in set(used) - defined - table - _NOT_PRIVATE} == {}
    assert table - set(used) == set()
