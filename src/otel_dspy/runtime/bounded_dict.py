"""Dictionary with a maximum number of entries.

`cachetools.FIFOCache` is the closest library class. It is not a dependency of the base install or of OpenTelemetry, and
it reports no evicted entries, which several users of this class need.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, TypeVar

from typing_extensions import override

if TYPE_CHECKING:
    from collections.abc import Callable

Key = TypeVar("Key")
Value = TypeVar("Value")


class BoundedDict(OrderedDict[Key, Value]):
    """Dictionary that evicts its oldest entry when it holds too many. Setting an entry again keeps its age."""

    def __init__(self, most: int, evicted: Callable[[Key, Value], object] | None = None) -> None:
        """Create an empty dictionary.

        Args:
            most: maximum number of entries.
            evicted: called with each entry that is evicted.
        """
        super().__init__()
        self._most = most
        self._evicted = evicted

    @override
    def __setitem__(self, key: Key, value: Value) -> None:
        super().__setitem__(key, value)
        while len(self) > self._most:
            oldest = self.popitem(last=False)
            if self._evicted is not None:
                self._evicted(*oldest)
