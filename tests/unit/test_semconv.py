"""The contract's files: what is generated from them is up to date, and a broken one is refused with words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from otel_dspy import semconv
from tools import generate_semconv
from tools.generate_semconv import ROOT, main, stale
from tools.semconv_parser import ContractError, load

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_generated_is_up_to_date() -> None:
    """`semconv.py` and `docs/reference.md` are what `semconv/*.yaml` gives today."""
    paths = [str(path.relative_to(ROOT)) for path in stale(load())]
    assert not paths, f"stale: {', '.join(paths)}: run `make semconv` and commit what it writes"


def test_a_stale_file_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--check` ends with 1 and names each file that is missing or differs; both are up to date once they are written."""
    constants, reference = tmp_path / "semconv.py", tmp_path / "reference.md"
    monkeypatch.setattr(generate_semconv, "ROOT", tmp_path)
    monkeypatch.setattr(generate_semconv, "CONSTANTS", constants)
    monkeypatch.setattr(generate_semconv, "REFERENCE", reference)
    assert main(["--check"]) == 1
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == ["semconv.py", "reference.md"]
    assert not constants.exists()
    assert main([]) == 0
    assert main(["--check"]) == 0
    reference.write_text(f"{reference.read_text(encoding='utf-8')}one more\n", encoding="utf-8")
    assert stale(load()) == [reference]
    assert main(["--check"]) == 1


def test_every_attribute_has_its_constant() -> None:
    """An attribute's constant is its id in capitals; a family's ends in a dot, ready for the rest of the name."""
    for attribute in load().attributes:
        assert getattr(semconv, attribute.constant) == attribute.id + ("." if attribute.template else "")
    assert semconv.DSPY_COMPILE_ID == "dspy.compile.id"
    assert semconv.DSPY_TRIAL_PARAMETER == "dspy.trial.parameter."
    assert semconv.SPAN_DSPY_COMPILE.format("GEPA") == "compile GEPA"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {id: a, type: widget}", "unknown type 'widget'"),
        (
            (
                "- {id: s, type: span, name: s, span_kind: internal, parent: [any], brief: b, "
                "attributes: [{ref: dspy.nothing, requirement_level: required}]}"
            ),
            "s refers to undeclared dspy.nothing",
        ),
        (
            (
                "- {id: s, type: span, name: s, span_kind: internal, parent: [any], brief: b, "
                "attributes: [{ref: error.type, requirement_level: perhaps}]}"
            ),
            "unknown requirement level 'perhaps'",
        ),
        (
            "- {id: s, type: span, name: s, span_kind: internal, parent: [span.t], brief: b, attributes: []}",
            "s has unknown parents span.t",
        ),
        (
            (
                "- {id: r, type: attribute_group, attributes: "
                "[{id: dspy.x, type: int, brief: b}, {id: dspy.x, type: int, brief: b}]}"
            ),
            "declared twice: dspy.x",
        ),
    ],
)
def test_a_broken_contract_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """A slip in the YAML stops the generator with a text that names it."""
    (tmp_path / "broken.yaml").write_text(f"groups:\n{text}\n", encoding="utf-8")
    with pytest.raises(ContractError, match=message):
        load(tmp_path)
