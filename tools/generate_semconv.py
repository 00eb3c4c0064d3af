"""Generator of `src/otel_dspy/semconv.py` and `docs/reference.md` from `semconv/*.yaml`.

`python -m tools.generate_semconv` writes both; with `--check` it writes nothing and exits 1 if either is stale.
"""

from __future__ import annotations

import re
import sys
import textwrap
from typing import TYPE_CHECKING

from tools.semconv_parser import ROOT, load

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tools.semconv_parser import Attribute, AttributeRef, Contract, Signal, Span

CONSTANTS = ROOT / "src" / "otel_dspy" / "semconv.py"
REFERENCE = ROOT / "docs" / "reference.md"
WIDTH = 120
PLACEHOLDER = re.compile(r"\{[^}]+\}")

LEVEL_WORDS = {
    "required": "required",
    "conditionally_required": "required if",
    "recommended": "recommended",
    "opt_in": "opt-in",
}
CONTENT_WORDS = {
    "content": "message content",
    "programs": "program capture",
    "datasets": "dataset capture",
}
_CONVENTION_WORDS = [
    "On any span, only with that [setting](backends.md), and each derived from attributes that the span has already.",
]


def render_constants(contract: Contract) -> str:
    """Source text of the module of names."""
    closed = [attribute for attribute in contract.attributes if attribute.members]
    lines = [
        '"""Names of the telemetry contract. Generated from `semconv/` by `make semconv`: do not edit.',
        "",
        "A name that ends in a dot is a prefix: the rest of the name is added where it is used. A span's name is a",
        "pattern for `str.format`, with the value of the attribute that its docstring names.",
        '"""',
        "",
        f"from typing import Final{', Literal' if closed else ''}",
        "",
        "# Attributes",
    ]
    for attribute in contract.attributes:
        value = f"{attribute.id}." if attribute.template else attribute.id
        lines += [f'{attribute.constant}: Final = "{value}"', *_docstring(attribute.brief)]
    for convention, names in _conventions(contract).items():
        lines += [f"{convention.upper()}_NAMES: Final = (", *(f"    {name}," for name in names), ")"]
        lines += _docstring(f"Every attribute of `extra_conventions={convention}`.")
    if closed:
        lines += ["", "# Values that an attribute may take"]
    for attribute in closed:
        members = ", ".join(f'"{member}"' for member in attribute.members)
        one_line = f"{_class_name(attribute)} = Literal[{members}]"
        if len(one_line) > WIDTH:
            one_line = "\n".join(
                [f"{_class_name(attribute)} = Literal[", *(f'    "{member}",' for member in attribute.members), "]"]
            )
        lines += [one_line, *_docstring(f"Values of `{attribute.id}`.")]
    lines += ["", "# Spans"]
    for span in contract.spans:
        filled = ", ".join(f"`{name[1:-1]}`" for name in PLACEHOLDER.findall(span.name))
        text = f" Filled with {filled}." if filled else ""
        lines += [f'{span.constant}: Final = "{PLACEHOLDER.sub("{}", span.name)}"', *_docstring(span.brief + text)]
    lines += ["", "# Metrics"]
    for metric in contract.metrics:
        text = f"{metric.brief} {metric.instrument.capitalize()}, unit `{metric.unit}`."
        lines += [f'{metric.constant}: Final = "{metric.name}"', *_docstring(text)]
    lines += ["", "# Log events"]
    for event in contract.events:
        lines += [f'{event.constant}: Final = "{event.name}"', *_docstring(event.brief)]
    return "\n".join(lines) + "\n"


def render_reference(contract: Contract) -> str:
    """Markdown text of the reference page."""
    own = {attribute.id: attribute for attribute in contract.attributes}
    lines = [
        "# Telemetry reference",
        "",
        "This page lists every span, attribute, metric and log event of otel-dspy. It is generated from `semconv/`.",
        "",
        "- **†**: set when the span starts, so samplers see it.",
        "- **opt-in**: only with the capture setting that the attribute's own row names.",
        "- `gen_ai.*` attributes and metrics come from `opentelemetry-util-genai`, `error.type` from OpenTelemetry.",
        "",
        "## Spans",
    ]
    for span in contract.spans:
        lines += ["", f"### `{span.name}`", "", *_span_attributes(span), "", *_ref_table(span, own)]
    lines += ["", "## Attributes", "", "| Attribute | Type | Meaning |", "|---|---|---|"]
    lines += [_row(attribute) for attribute in contract.attributes if attribute.convention is None]
    for convention in _conventions(contract):
        lines += ["", f"## Attributes of `extra_conventions={convention}`", "", *_CONVENTION_WORDS, ""]
        lines += ["| Attribute | Type | Meaning |", "|---|---|---|"]
        lines += [_row(attribute) for attribute in contract.attributes if attribute.convention == convention]
    lines += ["", "## Metrics", "", "| Metric | Instrument | Unit | Meaning | Attributes |", "|---|---|---|---|---|"]
    for metric in contract.metrics:
        refs = "<br>".join(f"`{ref.id}`: {_level(ref)}" for ref in metric.attributes) or "none"
        cells = (f"`{metric.name}`", metric.instrument, f"`{metric.unit}`", _cell(metric.brief), _cell(refs))
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "## Log events"]
    for event in contract.events:
        lines += ["", f"### `{event.name}`", "", event.brief, "", *_ref_table(event, own)]
    return "\n".join(lines) + "\n"


def _conventions(contract: Contract) -> dict[str, list[str]]:
    """Constants of the attributes of each convention beside ours."""
    found: dict[str, list[str]] = {}
    for attribute in contract.attributes:
        if attribute.convention is not None:
            found.setdefault(attribute.convention, []).append(attribute.constant)
    return found


def _row(attribute: Attribute) -> str:
    return f"| `{_shown(attribute)}` | {_cell(_type(attribute))} | {_cell(_meaning(attribute))} |"


def _docstring(text: str) -> Iterator[str]:
    escaped = text.replace("\\", "\\\\")
    one_line = f'"""{escaped}"""'
    if len(one_line) <= WIDTH:
        yield one_line
        return
    yield from textwrap.wrap(f'"""{escaped}', WIDTH, break_long_words=False, break_on_hyphens=False)
    yield '"""'


def _class_name(attribute: Attribute) -> str:
    return "".join(word.capitalize() for word in re.split(r"[._]", attribute.id))


def _span_attributes(span: Span) -> Iterator[str]:
    yield f"{span.brief}"
    yield ""
    yield f"- Kind: {span.kind.upper()}"
    above = [{"any": "the current span, if any", "none": "none (a root)"}.get(p, f"`{p}`") for p in span.parents]
    yield f"- Parent: {' or '.join(above)}".replace("`span.dspy.", "`")


def _ref_table(signal: Signal, own: dict[str, Attribute]) -> Iterator[str]:
    if not signal.attributes:
        yield "No attributes."
        return
    yield "| Attribute | Requirement |"
    yield "|---|---|"
    for ref in signal.attributes:
        shown = _shown(own[ref.id]) if ref.id in own else ref.id
        yield f"| `{shown}`{' †' if ref.start else ''} | {_cell(_level(ref))} |"


def _level(ref: AttributeRef) -> str:
    return LEVEL_WORDS[ref.level] + (f" {ref.condition}" if ref.condition else "")


def _shown(attribute: Attribute) -> str:
    return f"{attribute.id}.<key>" if attribute.template else attribute.id


def _type(attribute: Attribute) -> str:
    return " or ".join(f"`{member}`" for member in attribute.members) or attribute.type


def _meaning(attribute: Attribute) -> str:
    parts = [attribute.brief]
    if attribute.examples:
        parts.append(f"Examples: {', '.join(f'`{example}`' for example in attribute.examples)}.")
    if attribute.content:
        parts.append(f"Opt-in: {CONTENT_WORDS[attribute.content]}.")
    return " ".join(parts)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def stale(contract: Contract) -> list[Path]:
    """The generated files whose text is not what the contract gives now."""
    return [path for path, text in _outputs(contract) if not path.exists() or path.read_text(encoding="utf-8") != text]


def _outputs(contract: Contract) -> Iterable[tuple[Path, str]]:
    return ((CONSTANTS, render_constants(contract)), (REFERENCE, render_reference(contract)))


def main(arguments: list[str]) -> int:
    """Write both files, or with `--check` only compare; returns the exit code."""
    contract = load()
    if "--check" in arguments:
        for path in stale(contract):
            print(f"{path.relative_to(ROOT)} is stale: run `make semconv`", file=sys.stderr)
        return 1 if stale(contract) else 0
    for path, text in _outputs(contract):
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
