"""Measurements of the SDK's instruments, recorded in the aggregations of earlier ones with the same attributes.

For every measurement the SDK checks and copies the attributes and computes a key from them for each reader, which takes
three times as long as the aggregation. A program has few sets of attributes, so the aggregations that a set belongs to
are looked up once, by the values or, for an `AttributeSet`, by the object. They are the SDK's own: views,
temporalities, exemplars and limits apply as always.

The lookup reads private attributes of the SDK. If one is missing, all measurements are recorded by the public method.
"""

from __future__ import annotations

import math
from contextlib import suppress
from time import time_ns
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from opentelemetry.trace import TraceFlags
from typing_extensions import override

from otel_dspy.runtime.named_tuples import create
from otel_dspy.telemetry.call_context import SPAN
from otel_dspy.telemetry.deferred.exemplar_reservoirs import use_own_reservoirs

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from opentelemetry.context import Context
    from opentelemetry.util.types import AttributeValue

_INFINITE: Final = math.inf
_MOST_UNIONS: Final = 16
"""Unions of an `AttributeSet` that are kept."""
_MOST_SETS: Final = 256
"""Attribute sets that are kept for an instrument; then the lookup starts from scratch."""
_VALUES: Final = frozenset({str, int, float, bool})
"""Types of values that the SDK leaves unchanged."""
_TEXT: Final = frozenset({str})


class AttributeSet(dict[str, "AttributeValue"]):
    """Attributes of several measurements, which must not be changed. Hashable by identity."""

    __slots__ = ("_unions",)
    __hash__ = object.__hash__  # pyright: ignore[reportAssignmentType] - no method of Python, which takes longer

    def __init__(self, attributes: Mapping[str, AttributeValue]) -> None:
        super().__init__(attributes)
        self._unions: dict[object, AttributeSet] = {}
        """Results of `|` by the other operand's items, at most `_MOST_UNIONS`."""

    @override
    def __or__(self, other: dict[str, Any]) -> dict[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride] - one of two overloads
        """Return the union with a dictionary, the same object for equal ones if their values are texts."""
        items = tuple(other.items())
        if not _TEXT.issuperset(map(type, other.values())):
            return {**self, **other}
        found = self._unions.get(items)
        if found is None:
            if len(self._unions) >= _MOST_UNIONS:
                self._unions.clear()
            found = self._unions[items] = AttributeSet({**self, **other})
        return found


class _Measurement(NamedTuple):
    """The fields of the SDK's `Measurement`, whose creation checks and copies the attributes."""

    value: float
    time_unix_nano: int
    instrument: object
    context: Context
    attributes: Mapping[str, AttributeValue]


class _Aggregations(NamedTuple):
    """Aggregations of one set of attributes.

    Attributes:
        attributes: copy of the attributes.
        consumers: called with a measurement and whether to offer it as an exemplar.
    """

    attributes: Mapping[str, AttributeValue]
    consumers: Sequence[Callable[[Any, bool], object]]


class KnownAggregations:
    """Records the measurements of an instrument.

    Args:
        instrument: a counter or histogram, of the SDK or of another implementation of the API.
        record: its method `add` or `record`, which records what this class does not.
    """

    def __init__(self, instrument: object, record: Callable[..., object]) -> None:
        self._instrument: Any = instrument
        self._record = record
        self.kept: dict[object, _Aggregations] = {}
        """Aggregations by set of attributes, at most `_MOST_SETS`."""
        self._readers: object = None
        """Storages by reader that the rest is of; the SDK replaces the mapping when a reader is added or removed."""
        self._should_sample: Callable[..., bool] | None = None
        try:
            self._consumer: Any = self._instrument._measurement_consumer  # noqa: SLF001 - see the module
            self._is_enabled: Callable[[], bool] = self._instrument._is_enabled  # noqa: SLF001 - the same
            self._should_sample = _sampling_rule(self._consumer._sdk_config.exemplar_filter)  # noqa: SLF001 - the same
        except AttributeError:  # not the SDK's, or of a version with other names
            pass

    def record(self, amount: float, attributes: Mapping[str, AttributeValue] | None, context: Context) -> None:
        """Record a measurement as of now.

        Args:
            amount: the measured value.
            attributes: its attributes; must not be changed afterwards.
            context: the context that exemplars refer to.
        """
        should_sample = self._should_sample
        if should_sample is not None and self._readers is not getattr(self._consumer, "_reader_storages", None):
            self._use_readers()
        if should_sample is None or not attributes or not 0 <= amount < _INFINITE or not self._is_enabled():
            self._record(amount, attributes, context)
            return
        if type(attributes) is AttributeSet:
            key: object = attributes
        else:
            values = attributes.values()
            # With the types, because 1, 1.0 and True are equal keys and different attributes.
            key = (*attributes, *values, *map(type, values))
        try:
            known = self.kept.get(key)
        except TypeError:  # a list as a value
            self._record(amount, attributes, context)
            return
        if known is None:
            self._record(amount, attributes, context)
            plain = _VALUES.issuperset(map(type, attributes.values()))
            if plain and all(type(name) is str and name for name in attributes):
                self._look_up(key, dict(attributes))
            return
        copied, consumers = known
        at = time_ns()
        measurement = create(_Measurement, (amount, at, self._instrument, context, copied))
        sampled = should_sample(amount, at, copied, context)
        for consume in consumers:
            consume(measurement, sampled)

    def _use_readers(self) -> None:
        self.kept.clear()
        self._readers = readers = self._consumer._reader_storages  # noqa: SLF001 - see the module
        with suppress(AttributeError, TypeError):  # a version with other names
            use_own_reservoirs(readers.values(), self._instrument)

    def _look_up(self, key: object, attributes: dict[str, AttributeValue]) -> None:
        if len(self.kept) >= _MOST_SETS:
            self.kept.clear()
        try:
            found = [
                _consumer_of(view, attributes)
                for storage in self._consumer._reader_storages.values()  # noqa: SLF001 - the same
                for view in storage._instrument_view_instrument_matches[self._instrument]  # noqa: SLF001 - the same
            ]
        except (AttributeError, LookupError):
            self._should_sample = None
        else:
            self.kept[key] = _Aggregations(attributes, found)


def _sampling_rule(exemplar_filter: Any) -> Callable[..., bool]:  # noqa: ANN401 - of the SDK, private
    from opentelemetry.sdk.metrics import TraceBasedExemplarFilter  # noqa: PLC0415 - the SDK is optional

    # The default filter has an isinstance check against an abstract class, which takes longer than the rest of it.
    return _in_sampled_span if type(exemplar_filter) is TraceBasedExemplarFilter else exemplar_filter.should_sample


def _in_sampled_span(_amount: float, _at: int, _attributes: object, context: Context) -> bool:
    """Return whether the context has a sampled span, like the SDK's `TraceBasedExemplarFilter`."""
    span: Any = context.get(SPAN)
    return span is not None and bool(span.get_span_context().trace_flags & TraceFlags.SAMPLED)


def _consumer_of(
    view: Any,  # noqa: ANN401 - of the SDK, private
    attributes: Mapping[str, AttributeValue],
) -> Callable[[Any, bool], object]:
    # With delta temporality the SDK discards aggregations at each collection; versions without the attribute may too.
    # A view may drop attributes, and beyond the limit of sets there is one aggregation for all others: both have other
    # attributes than these.
    if getattr(view, "_reset_on_collect", True) is False:
        aggregations: dict[object, Any] = view._attributes_aggregation  # noqa: SLF001 - see the module
        for aggregation in list(aggregations.values()):
            if _same(aggregation._attributes, attributes):  # noqa: SLF001 - the same
                return aggregation.aggregate
    return view.consume_measurement


def _same(one: Mapping[str, AttributeValue], other: Mapping[str, AttributeValue]) -> bool:
    return one == other and all(type(one[name]) is type(value) for name, value in other.items())
