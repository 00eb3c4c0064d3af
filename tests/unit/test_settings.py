from __future__ import annotations

import logging
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.trace import TracerProvider

from otel_dspy import DSPyInstrumentor
from otel_dspy.settings import CONTENT_VARIABLE, ExtraConvention, SettingError, Settings, TraceShape

if TYPE_CHECKING:
    from pathlib import Path


def upper(_name: str, text: str) -> str:
    """A redactor for these tests."""
    return text.upper()


def test_defaults_capture_nothing() -> None:
    """Without keywords or environment no content leaves, whatever the process's own environment holds."""
    assert Settings.resolve({}, {}) == Settings()
    assert not Settings().capture_content


def test_keywords_overrule_the_environment_and_none_is_not_given() -> None:
    """A keyword wins over its variable; None leaves the variable in force."""
    environment = {"OTEL_DSPY_TRACE_SHAPE": "nested", "OTEL_DSPY_EXAMPLE_RATIO": "0.25"}
    settings = Settings.resolve({"trace_shape": "LINKED", "example_ratio": None}, environment)
    assert (settings.trace_shape, settings.example_ratio) == (TraceShape.LINKED, 0.25)


@pytest.mark.parametrize(
    ("mode", "captured"),
    [
        ("NO_CONTENT", False),
        ("EVENT_ONLY", False),
        ("span_only", True),
        ("SPAN_AND_EVENT", True),
        ("nonsense", False),
        ("", False),
    ],
)
def test_the_standard_switch_decides_on_content(mode: str, captured: bool) -> None:  # noqa: FBT001 - a table's column
    """Content, programs and datasets follow the standard's variable; only its span modes let texts onto spans."""
    settings = Settings.resolve({}, {CONTENT_VARIABLE: mode})
    assert (settings.capture_content, settings.capture_programs, settings.capture_datasets) == (captured,) * 3


def test_programs_and_datasets_can_differ_from_content() -> None:
    """Each of the two follows content only until it is set itself."""
    settings = Settings.resolve(
        {"capture_content": True, "capture_datasets": "off"}, {"OTEL_DSPY_CAPTURE_PROGRAMS": "0"}
    )
    assert (settings.capture_content, settings.capture_programs, settings.capture_datasets) == (True, False, False)


def test_content_has_no_variable_of_otel_dspy() -> None:
    """There is one switch for content, the standard's."""
    assert not Settings.resolve({}, {"OTEL_DSPY_CAPTURE_CONTENT": "true"}).capture_content


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("trace_shape", "tree"),
        ("capture_content", "maybe"),
        ("capture_programs", 2),
        ("max_content_length", -1),
        ("max_content_length", True),
        ("max_content_length", 5.5),
        ("example_ratio", 1.5),
        ("example_ratio", float("nan")),
        ("example_ratio", "half"),
        ("extra_conventions", "openinferense"),
        ("extra_conventions", ["openinference", "others"]),
        ("extra_conventions", 7),
        ("redact", "no.such.module:function"),
        ("redact", "os:no_such_function"),
        ("redact", "os:sep"),
        ("redact", ""),
    ],
)
def test_a_bad_keyword_is_refused_by_name(name: str, value: object) -> None:
    """The error names the keyword."""
    with pytest.raises(SettingError, match=re.escape(f"instrument({name}=...): ")):
        Settings.resolve({name: value}, {})


@pytest.mark.parametrize("name", ["tracer_provider", "meter_provider", "logger_provider"])
@pytest.mark.parametrize("value", ["otlp", 5, object(), TracerProvider, MeterProvider, LoggerProvider])
def test_a_provider_that_is_none_is_refused_by_name(name: str, value: object) -> None:
    """As is a class in the place of an object of it; nothing is instrumented."""
    with pytest.raises(SettingError, match=f"^{name}: .*; leave it out for the global one$"):
        DSPyInstrumentor().instrument(**{name: value})
    assert not DSPyInstrumentor().is_instrumented_by_opentelemetry


def test_an_unknown_keyword_is_rejected_and_the_known_ones_are_listed() -> None:
    """A misspelt keyword is an error, not silence."""
    with pytest.raises(SettingError, match=r"capture_contents.*capture_content"):
        Settings.resolve({"capture_contents": True}, {})


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("OTEL_DSPY_TRACE_SHAPE", "tree"),
        ("OTEL_DSPY_CAPTURE_ADAPTERS", "maybe"),
        ("OTEL_DSPY_MAX_CONTENT_LENGTH", "long"),
        ("OTEL_DSPY_EXAMPLE_RATIO", "nan"),
        ("OTEL_DSPY_EXTRA_CONVENTIONS", "all"),
    ],
)
def test_a_bad_variable_is_logged_and_ignored(variable: str, text: str, caplog: pytest.LogCaptureFixture) -> None:
    """`opentelemetry-instrument` breaks no program over a typing error."""
    with caplog.at_level(logging.WARNING):
        assert Settings.resolve({}, {variable: text}) == Settings()
    assert variable in caplog.text


@pytest.mark.parametrize(
    "given", ["openinference", " OpenInference,openinference ", ["openinference"], ("openinference",)]
)
def test_extra_conventions_are_one_name_or_several(given: object) -> None:
    """One word, words with commas as in a variable, or a collection of words."""
    wanted = frozenset({ExtraConvention.OPENINFERENCE})
    assert Settings.resolve({"extra_conventions": given}, {}).extra_conventions == wanted
    if isinstance(given, str):
        assert Settings.resolve({}, {"OTEL_DSPY_EXTRA_CONVENTIONS": given}).extra_conventions == wanted


def test_a_redactor_is_a_function_or_its_name() -> None:
    """Both spellings give a function that is called; `os.path:basename` stands for any importable one."""
    assert Settings.resolve({"redact": upper}, {}).redact is upper
    named = Settings.resolve({}, {"OTEL_DSPY_REDACT": "operator:concat"}).redact
    assert named is not None
    assert named("a", "b") == "ab"


def broken_module(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An importable module that raises something of its own while it is imported."""
    (folder / "broken_redactor.py").write_text("raise RuntimeError('not here')\n")
    monkeypatch.syspath_prepend(str(folder))
    sys.modules.pop("broken_redactor", None)
    return "broken_redactor:redact"


def test_a_redactor_that_cannot_be_imported_withholds_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A misspelled redactor must not lead to raw texts in the backend; the program still runs."""
    for name in ("no.such.module:function", broken_module(tmp_path, monkeypatch)):
        settings = Settings.resolve({"capture_content": True}, {"OTEL_DSPY_REDACT": name})
        assert settings.redact is not None
        assert settings.redact("dspy.module.input", "the user's words") == "[redacted]"
    assert "All content is replaced by [redacted]" in caplog.text


def test_a_redactor_keyword_whose_module_breaks_is_a_setting_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever an import raises comes out as the documented error."""
    with pytest.raises(SettingError, match="not here"):
        Settings.resolve({"redact": broken_module(tmp_path, monkeypatch)}, {})


@pytest.mark.parametrize("values", [{"max_content_length": "0"}, {"max_content_length": 0}])
def test_zero_characters_is_a_length(values: dict[str, Any]) -> None:
    """0 is a limit, not "no limit"."""
    assert Settings.resolve(values, {}).max_content_length == 0
