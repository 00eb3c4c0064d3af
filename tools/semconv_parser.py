"""Parser of the semantic conventions in `semconv/*.yaml` into typed records.

The files keep the format of OpenTelemetry's own convention registries: groups of type `attribute_group`, `span`,
`metric` and `event`. Three keys are additions: `parent` (ids of spans that may be the parent, `any` or `none`), `start`
(the attribute is set when the span starts, so samplers see it) and `convention` (the group's attributes are set on any
span, if `extra_conventions` names it).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

import yaml

Level = Literal["required", "conditionally_required", "recommended", "opt_in"]

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "semconv"
TEMPLATE_PREFIX = "template["
LEVELS: tuple[Level, ...] = ("required", "conditionally_required", "recommended", "opt_in")


class ContractError(ValueError):
    """A convention file is invalid; the message names the group."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute name of our own or of a convention beside ours, or a family of names that share a prefix."""

    id: str
    """The name; of a template, the prefix without its last dot."""
    type: str
    """string, int, double, boolean, any, or one of these followed by `[]`."""
    brief: str
    template: bool = False
    """True if `id` is a prefix: `<id>.<key>` are the names."""
    content: str | None = None
    """The setting that lets the attribute out: content, programs or datasets; None = always on."""
    members: tuple[str, ...] = ()
    """The only values allowed; empty = any of the type."""
    examples: tuple[str, ...] = ()
    convention: str | None = None
    """Value of the setting `extra_conventions` that enables the attribute on any span; None = it is otel-dspy's own."""

    @property
    def constant(self) -> str:
        """Name of the Python constant."""
        return self.id.upper().replace(".", "_")

    def covers(self, name: str) -> bool:
        """Whether `name` is this attribute, or one of its family."""
        return name.startswith(f"{self.id}.") if self.template else name == self.id


@dataclass(frozen=True, slots=True)
class AttributeRef:
    """Reference of a signal to an attribute."""

    id: str
    level: Level
    condition: str | None = None
    """In words, when the level is conditionally_required."""
    start: bool = False


@dataclass(frozen=True, slots=True)
class Signal:
    """What spans, metrics and events have in common."""

    id: str
    """The group's id, such as `span.dspy.compile`."""
    name: str
    """Span: a pattern where `{attribute}` is replaced by its value. Metric and event: the name itself."""
    brief: str
    attributes: tuple[AttributeRef, ...]

    @property
    def constant(self) -> str:
        """Name of the Python constant."""
        return self.id.upper().replace(".", "_")


@dataclass(frozen=True, slots=True)
class Span(Signal):
    """A span."""

    kind: str
    """internal or client."""
    parents: tuple[str, ...]
    """Ids of the spans that may be the parent; `any` = the current span, if any; `none` = a root."""
    extends: str | None = None
    """`gen_ai` where the standard's own library emits the span and only what we set beside is listed."""


@dataclass(frozen=True, slots=True)
class Metric(Signal):
    """A metric."""

    instrument: str
    """histogram, counter, updowncounter or gauge."""
    unit: str
    """UCUM, such as `s`."""


@dataclass(frozen=True, slots=True)
class Event(Signal):
    """A log event."""


@dataclass(frozen=True, slots=True)
class Contract:
    """Everything that otel-dspy may emit."""

    attributes: tuple[Attribute, ...]
    spans: tuple[Span, ...]
    metrics: tuple[Metric, ...]
    events: tuple[Event, ...]
    groups: frozenset[str] = field(default_factory=frozenset[str])
    """Ids of all groups."""
    _asked: dict[str, Attribute | None] = field(
        default_factory=dict[str, "Attribute | None"], init=False, repr=False, compare=False
    )

    def attribute(self, name: str) -> Attribute | None:
        """Return the attribute of an emitted `name`, templates included; None if it is not declared."""
        if name not in self._asked:
            self._asked[name] = next((attribute for attribute in self.attributes if attribute.covers(name)), None)
        return self._asked[name]

    def span(self, group_id: str) -> Span:
        """Return the span with that group id.

        Raises:
            KeyError: there is none.
        """
        for span in self.spans:
            if span.id == group_id:
                return span
        raise KeyError(group_id)


def load(folder: Path = SOURCES) -> Contract:
    """Read every YAML file of `folder`.

    Raises:
        ContractError: a file does not have the format of the conventions, or refers to what does not exist.
    """
    attributes: list[Attribute] = []
    spans: list[Span] = []
    metrics: list[Metric] = []
    events: list[Event] = []
    ids: list[str] = []
    for path in sorted(folder.glob("*.yaml")):
        document = cast("dict[str, Any]", yaml.safe_load(path.read_text(encoding="utf-8")))
        for group in cast("list[dict[str, Any]]", document["groups"]):
            ids.append(group["id"])
            match group["type"]:
                case "attribute_group":
                    attributes.extend(_attribute(entry, group.get("convention")) for entry in group["attributes"])
                case "span":
                    spans.append(_span(group))
                case "metric":
                    metrics.append(
                        Metric(
                            **_signal(group, group["metric_name"]), instrument=group["instrument"], unit=group["unit"]
                        )
                    )
                case "event":
                    events.append(Event(**_signal(group, group["name"])))
                case other:
                    raise ContractError(f"{path.name}: {group['id']}: unknown type {other!r}")
    contract = Contract(tuple(attributes), tuple(spans), tuple(metrics), tuple(events), frozenset(ids))
    _check(contract, ids)
    return contract


def _attribute(entry: dict[str, Any], convention: str | None) -> Attribute:
    raw: str | dict[str, Any] = entry["type"]
    members: tuple[str, ...] = ()
    template = False
    if isinstance(raw, dict):
        members = tuple(member["value"] for member in raw["members"])
        kind = "string"
    elif raw.startswith(TEMPLATE_PREFIX):
        template = True
        kind = raw.removeprefix(TEMPLATE_PREFIX).removesuffix("]")
    else:
        kind = raw
    return Attribute(
        id=entry["id"],
        type=kind,
        brief=entry["brief"],
        template=template,
        content=_content(entry.get("content")),
        members=members,
        examples=tuple(str(example) for example in entry.get("examples", ())),
        convention=convention,
    )


def _content(value: str | bool | None) -> str | None:  # noqa: FBT001 - YAML's own value, not a switch
    return "content" if value is True else value or None


def _signal(group: dict[str, Any], name: str) -> dict[str, Any]:
    return {
        "id": group["id"],
        "name": name,
        "brief": group["brief"],
        "attributes": tuple(_ref(group["id"], entry) for entry in group["attributes"]),
    }


def _ref(group_id: str, entry: dict[str, Any]) -> AttributeRef:
    level: str | dict[str, str] = entry["requirement_level"]
    condition = None
    if isinstance(level, dict):
        level, condition = next(iter(level.items()))
    if level not in LEVELS:
        raise ContractError(f"{group_id}: {entry['ref']}: unknown requirement level {level!r}")
    return AttributeRef(id=entry["ref"], level=level, condition=condition, start=bool(entry.get("start", False)))


def _span(group: dict[str, Any]) -> Span:
    return Span(
        **_signal(group, group["name"]),
        kind=group["span_kind"],
        parents=tuple(group["parent"]),
        extends=group.get("extends"),
    )


def _check(contract: Contract, ids: list[str]) -> None:
    """Check that ids are unique and references resolve.

    Raises:
        ContractError: an id is given twice, or a reference has no target.
    """
    names = [*ids, *(attribute.id for attribute in contract.attributes)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ContractError(f"declared twice: {', '.join(twice)}")
    own = {attribute.id for attribute in contract.attributes}
    for signal in (*contract.spans, *contract.metrics, *contract.events):
        if missing := [ref.id for ref in signal.attributes if ref.id.startswith("dspy.") and ref.id not in own]:
            raise ContractError(f"{signal.id} refers to undeclared {', '.join(missing)}")
    for span in contract.spans:
        if missing := [parent for parent in span.parents if parent not in {"any", "none"} | contract.groups]:
            raise ContractError(f"{span.id} has unknown parents {', '.join(missing)}")
