"""Examples and datasets: rows as plain data, and the digests by which they are known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

from otel_dspy.plain import plain
from otel_dspy.programs import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_Content = TypeVar("_Content")


def fields(example: object) -> dict[str, Any]:
    """The fields of a `dspy.Example`, a `dspy.Prediction` or a dict, as plain data.

    A value that cannot be turned into data is None. Anything else than a record is one field named `value`.
    """
    row = plain(example)
    return cast("dict[str, Any]", row) if isinstance(row, dict) else {"value": row}


def split_fields(example: object) -> tuple[dict[str, Any], dict[str, Any]]:
    """An example's (inputs, labels). Without `with_inputs` DSPy knows no inputs: then all fields are labels."""
    row = fields(example)
    keys = _input_keys(example)
    return (
        {name: value for name, value in row.items() if name in keys},
        {name: value for name, value in row.items() if name not in keys},
    )


def field_names(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The names of the rows' fields, in the order of their first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row))


class ExampleRegistry:
    """Rows and digests of examples, worked out once for each object while a compile or an evaluation lasts.

    It holds on to the examples, so that an object's id stays its own.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[Any, dict[str, Any], str]] = {}
        self._content: dict[int, Any] = {}

    def row(self, example: object) -> dict[str, Any]:
        """The example's fields as plain data."""
        return self._entry(example)[1]

    def example_id(self, example: object) -> str:
        """`dspy.example.id`: the digest of the example's fields."""
        return self._entry(example)[2]

    def content(self, example: object, make: Callable[[], _Content]) -> _Content:
        """What `make` gives, made once for the example: its texts are the same in every trial."""
        self._entry(example)
        made = self._content.get(id(example))
        if made is None:
            made = self._content[id(example)] = make()
        return made

    def dataset_id(self, examples: Iterable[Any]) -> str:
        """`dspy.dataset.id`: the digest of the example ids in order."""
        return digest([self.example_id(example) for example in examples])

    def _entry(self, example: object) -> tuple[Any, dict[str, Any], str]:
        entry = self._known.get(id(example))
        if entry is None:
            row = fields(example)
            entry = self._known[id(example)] = (example, row, digest(row))
        return entry


def _input_keys(example: object) -> set[str]:
    try:
        keys = getattr(example, "_input_keys", None)
    except Exception:  # noqa: BLE001 - a user's record may raise anything when it is looked at
        return set()
    return {str(key) for key in cast("set[object]", keys)} if isinstance(keys, set | frozenset) else set()
