"""Examples and datasets as rows of plain data, and the digests that identify them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast

from otel_dspy.serialization.plain_data import plain
from otel_dspy.serialization.programs import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_Content = TypeVar("_Content")
_NO_EXAMPLE: Final = object()


def fields(example: object) -> dict[str, Any]:
    """Return the fields of a `dspy.Example`, a `dspy.Prediction` or a dict, as plain data.

    A value that cannot be serialized is None. Any other object becomes a single field named `value`.
    """
    row = plain(example)
    return cast("dict[str, Any]", row) if isinstance(row, dict) else {"value": row}


def field_names(rows: Sequence[dict[str, Any]]) -> list[str]:
    """Return the names of the rows' fields, in the order of their first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row))


class _CachedExample(NamedTuple):
    """Cached data of an example, from its first use."""

    example: object
    row: dict[str, Any]
    identity: str
    inputs: frozenset[str]


class ExampleRegistry:
    """Cache of the rows and digests of examples, by object, for the duration of a compile or an evaluation.

    Keeps a reference to each example, so that its `id` stays unique. Later changes to an example are not reflected.

    Args:
        plain_inputs: whether all fields of an object other than a `dspy.Example` are inputs.
    """

    def __init__(self, *, plain_inputs: bool = False) -> None:
        self._plain_inputs = plain_inputs
        self._known: dict[int, _CachedExample] = {}
        self._content: dict[int, Any] = {}
        self._positions: dict[str, list[int]] = {}
        """By example id: the positions of equal examples in their dataset."""
        self._validation: set[str] = set()

    def row(self, example: object) -> dict[str, Any]:
        """Return the example's fields as plain data."""
        return self._entry(example).row

    def split(self, example: object) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the row's (inputs, labels).

        If `with_inputs` was not called on the example, all fields are labels, as in DSPy. So are the fields of an
        object other than a `dspy.Example`, unless `plain_inputs` is set.
        """
        known = self._entry(example)
        return (
            {name: value for name, value in known.row.items() if name in known.inputs},
            {name: value for name, value in known.row.items() if name not in known.inputs},
        )

    def input_names(self, examples: Iterable[Any]) -> list[str]:
        """Return the names of the fields that are inputs of any example, in the order of their first appearance."""
        known = [self._entry(example) for example in examples]
        return list(dict.fromkeys(name for entry in known for name in entry.row if name in entry.inputs))

    def example_id(self, example: object) -> str:
        """Return `dspy.example.id`: the digest of the example's fields."""
        return self._entry(example).identity

    def content(self, example: object, make: Callable[[], _Content]) -> _Content:
        """Return the cached result of `make` for the example, whose content is the same in every trial."""
        self._entry(example)
        made = self._content.get(id(example))
        if made is None:
            made = self._content[id(example)] = make()
        return made

    def dataset_id(self, examples: Iterable[Any]) -> str:
        """Return `dspy.dataset.id`: the digest of the example ids in order."""
        return digest([self.example_id(example) for example in examples])

    def number(self, examples: Iterable[Any], *, validation: bool) -> None:
        """Record the positions of a dataset's examples, which `positions` returns.

        Args:
            examples: the dataset, in its order.
            validation: whether it is the validation set, whose positions take precedence over other datasets'.
        """
        found: dict[str, list[int]] = {}
        for position, example in enumerate(examples):
            found.setdefault(self.example_id(example), []).append(position)
        if validation:
            self._positions |= found
            self._validation |= found.keys()
        else:
            self._positions |= {known: places for known, places in found.items() if known not in self._validation}

    def positions(self, examples: Iterable[Any]) -> list[int]:
        """Return each example's position in its dataset; one of no known dataset has its place in `examples`.

        Equal examples have one position each, in order, and again the first if there are more of them.
        """
        seen = Counter[str]()
        found: list[int] = []
        for place, example in enumerate(examples):
            identity = self.example_id(example)
            known = self._positions.get(identity)
            found.append(place if known is None else known[seen[identity] % len(known)])
            seen[identity] += 1
        return found

    def position(self, example: object) -> int | None:
        """Return the first position of an example in its dataset; None if it is in no known dataset."""
        known = self._positions.get(self.example_id(example))
        return None if known is None else known[0]

    def _entry(self, example: object) -> _CachedExample:
        entry = self._known.get(id(example))
        if entry is None:
            row = fields(example)
            inputs = _input_keys(example)
            if inputs is None:
                inputs = frozenset(row) if self._plain_inputs else frozenset[str]()
            entry = self._known[id(example)] = _CachedExample(example, row, digest(row), inputs)
        return entry


def _input_keys(example: object) -> frozenset[str] | None:
    """Return the input fields of a `dspy.Example`; None for any other object."""
    try:
        keys = getattr(example, "_input_keys", _NO_EXAMPLE)
    except Exception:  # noqa: BLE001 - a user's object may raise anything on attribute access
        return frozenset()
    if keys is _NO_EXAMPLE:
        return None
    named: set[object] = cast("set[object]", keys) if isinstance(keys, set | frozenset) else set()
    return frozenset(map(str, named))
