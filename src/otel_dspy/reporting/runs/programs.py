"""Conversion of program states to predictors."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from otel_dspy import semconv
from otel_dspy.reporting.compile_result import Candidates, Predictor
from otel_dspy.reporting.runs.summary_rows import mapping, mappings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow.entities import Run


def predictors(state: object) -> tuple[Predictor, ...]:
    """Return the predictors of a program's state, as DSPy saves it, by path; texts of a plain candidate by name."""
    return tuple(_predictors(mapping(state), ""))


def _predictors(state: dict[str, Any], path: str) -> Iterator[Predictor]:
    signature = state.get("signature")
    if isinstance(signature, dict) and isinstance(state.get("demos"), list):
        instructions = cast("dict[str, Any]", signature).get("instructions")
        yield Predictor(path or "self", str(instructions or ""), tuple(mappings(state["demos"])))
        return
    for name, item in state.items():
        inner = f"{path}.{name}" if path else name
        # `metadata` has the versions of the libraries.
        if isinstance(item, dict) and (path or name != "metadata"):
            yield from _predictors(cast("dict[str, Any]", item), inner)
        elif isinstance(item, str) and not path:
            yield Predictor(inner, item)


def parent_ids(run: Run) -> tuple[str, ...]:
    """Return the ids of the programs that the program of a trial's run was derived from."""
    text = run.data.tags.get(semconv.DSPY_PROGRAM_PARENT_IDS)
    try:
        return tuple(str(item) for item in _items(json.loads(text))) if text else ()
    except ValueError:
        return ()


def versions(state: object) -> dict[str, str]:
    """Return the versions that DSPy saves with a program's state."""
    found = mapping(mapping(mapping(state).get("metadata")).get("dependency_versions"))
    return {name: str(version) for name, version in found.items()}


def candidates(instructions: object, demos: object) -> Candidates:
    """Return what the trials choose from, from the files in `candidates/`, by the predictor's index."""
    return Candidates(
        {index: tuple(str(text) for text in _items(texts)) for index, texts in _by_index(instructions)},
        {index: tuple(len(_items(one)) for one in _items(sets)) for index, sets in _by_index(demos)},
    )


def _by_index(candidates_by_path: object) -> Iterator[tuple[str, object]]:
    """Yield the values of a file with their predictors' indexes, which are the keys of a file of earlier versions."""
    for place, (path, found) in enumerate(mapping(candidates_by_path).items()):
        yield path if path.isdecimal() else str(place), found


def _items(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []
