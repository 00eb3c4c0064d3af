"""The doctor's findings: each trouble is named with its cause and its cure, and a healthy setup has none."""

from __future__ import annotations

import json
import socket
import threading
from importlib import metadata
from typing import TYPE_CHECKING, Any

import pytest
from mlflow import MlflowClient

from otel_dspy.cli import main
from otel_dspy.diagnosis.checks import exporters, mlflow_store, otlp_requests
from otel_dspy.diagnosis.checks.all_checks import examine
from otel_dspy.diagnosis.finding import Level
from tests.support.fixed_status_server import listening
from tests.support.mlflow_server import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from otel_dspy.diagnosis.finding import Finding


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A spool of the test's own; servers of this process are waited for, however busy it is."""
    monkeypatch.setattr(exporters, "TIMEOUT", 60.0)
    monkeypatch.setattr(otlp_requests, "TIMEOUT", 60.0)
    monkeypatch.setattr(mlflow_store, "TIMEOUT", 60.0)
    monkeypatch.setenv("OTEL_DSPY_SPOOL_DIR", str(tmp_path / "spool"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # mlflow.set_tracking_uri of an earlier test sets it


def troubles(**environment: str) -> list[tuple[str, str, str]]:
    """Warnings and problems in an environment: level, subject, text."""
    return [as_tuple(finding) for finding in examine(environment) if finding.level in {Level.WARNING, Level.PROBLEM}]


def as_tuple(finding: Finding) -> tuple[str, str, str]:
    """A finding as it is compared."""
    return finding.level.value, finding.subject, finding.text


def test_an_empty_environment_has_no_trouble() -> None:
    """Everything that the tests run on is installed, and nothing is set: no warning, no problem."""
    assert troubles() == []


@pytest.mark.parametrize(
    ("package", "version", "subject"),
    [("mlflow", "2.18.0", "mlflow"), ("opentelemetry-sdk", "1.30.0", "opentelemetry")],
)
def test_versions_that_the_extra_excludes(
    package: str, version: str, subject: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installed before otel-dspy, without its extra `mlflow`: a problem with both versions, and no line that calls it ok."""
    installed = metadata.version

    def version_of(name: str) -> str:
        return version if name == package else installed(name)

    monkeypatch.setattr("opentelemetry.instrumentation.dependencies.version", version_of)
    ((level, found, text),) = troubles()
    assert (level, found) == ("problem", subject)
    assert text.startswith(f"{package} {version} is not supported; otel-dspy requires {package}")
    about_mlflow = [finding for finding in examine({}) if finding.subject == "mlflow" and finding.level is Level.OK]
    assert bool(about_mlflow) is (subject != "mlflow")


def test_a_whole_setup_has_no_trouble() -> None:
    """Spans by OTLP to a receiver that listens and runs to an MLflow that answers: both are named, neither faulted."""
    with listening() as port:
        environment = {
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
            "MLFLOW_TRACKING_URI": f"http://user:geheim@127.0.0.1:{port}",
        }
        assert troubles(**environment) == []
        findings = [as_tuple(finding) for finding in examine(environment)]
    assert ("ok", "exporter", f"traces (http/protobuf) to 127.0.0.1:{port}: accepts connections") in findings
    assert ("ok", "mlflow", f"http://user@127.0.0.1:{port} is reachable") in findings
    assert "geheim" not in str(findings)


def test_places_that_do_not_answer() -> None:
    """A collector that is not there and an MLflow that fails are problems, each with its address and reason."""
    gone = free_port()
    with listening(500) as port:
        found = troubles(
            OTEL_TRACES_EXPORTER="otlp",
            OTEL_METRICS_EXPORTER="otlp",
            OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{gone}",
            MLFLOW_TRACKING_URI=f"http://127.0.0.1:{port}",
        )
    assert found == [
        (
            "problem",
            "exporter",
            f"traces (grpc), metrics (grpc) to 127.0.0.1:{gone}: cannot connect (Connection refused)",
        ),
        ("problem", "mlflow", f"the MLflow health check of http://127.0.0.1:{port} failed: status 500"),
    ]


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("OTEL_DSPY_TRACE_SHAPE", "flat", "use linked or nested"),
        ("OTEL_DSPY_SPOOL_MAX_BYTES", "lots", "'lots' is not a number of bytes; use a whole number, or a unit"),
        ("OTEL_DSPY_EXPORT_MAX_BYTES", "4 MoB", "'4 MoB' is not a number of bytes"),
        ("OTEL_DSPY_MLFLOW_FLUSH_TIMEOUT", "1 moment", "'1 moment' is not a number of seconds"),
        (
            "OTEL_DSPY_REPORT",
            "maybe",
            "OTEL_DSPY_REPORT: 'maybe' is not a boolean; use true or false. The default is used.",
        ),
        (
            "OTEL_DSPY_PROGRESS",
            "fancy",
            "OTEL_DSPY_PROGRESS: 'fancy' is not a mode; use off, plain, rich or notebook. The default is used.",
        ),
        ("OTEL_DSPY_MLFLOW_EVALUATION_DATASETS", "some", "'some' is not a boolean; use true or false"),
        ("OTEL_DSPY_MLFLOW_AUTOLOG_METRICS", "both", "'both' is not a boolean; use true or false"),
        ("OTEL_DSPY_MAX_MEDIA_BYTES", "big", "'big' is not a number of bytes"),
        ("OTEL_DSPY_SPOOLDIR", "x", "Did you mean OTEL_DSPY_SPOOL_DIR?"),
        ("OTEL_TRACES_EXPORTER", "mlfow", "OTEL_TRACES_EXPORTER=mlfow: no installed package provides this exporter"),
        ("OTEL_TRACES_EXPORTER", "mlfow", "Did you mean mlflow?"),
        ("OTEL_METRICS_EXPORTER", "none,console", "Available: console, otlp"),
        ("OTEL_SDK_DISABLED", "true", "nothing is recorded at all"),
        ("OTEL_TRACES_SAMPLER", "traceidratio", "drops whole optimizations"),
        ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "4096", "truncates program states and datasets"),
        (
            "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT",
            "64",
            "drops attributes of optimizations where opentelemetry-instrument or your own tracer provider records",
        ),
        ("OTEL_ATTRIBUTE_COUNT_LIMIT", "64", "the provider that autolog creates does not apply it"),
        ("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "otel_dspy", "disables otel-dspy"),
        ("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "EVENT_ONLY", "no OTEL_LOGS_EXPORTER"),
        ("MLFLOW_TRACKING_URI", "sqlite:////nowhere/at/all/mlflow.db", "/nowhere/at/all does not exist"),
    ],
)
def test_settings_with_a_problem(variable: str, value: str, expected: str) -> None:
    """Each is one finding that describes the effect, and nothing else is faulted."""
    (trouble,) = troubles(**{variable: value})
    assert expected in trouble[2]


@pytest.mark.parametrize(
    ("variable", "subject"), [("MLFLOW_TRACKING_URI", "mlflow"), ("OTEL_EXPORTER_OTLP_ENDPOINT", "exporter")]
)
@pytest.mark.parametrize(
    ("address", "shown", "wrong"),
    [
        ("http://[::1", "http://[::1", "Invalid IPv6 URL"),
        ("http://me:geheim@[::1", "http://me@[::1", "Invalid IPv6 URL"),
        ("http://host:port", "http://host:port", "the port is not a number"),
        ("http://", "http://", "the host is missing"),
    ],
)
def test_an_address_that_is_none_is_one_line(variable: str, subject: str, address: str, shown: str, wrong: str) -> None:
    """What is wrong with it, where it is set and how to write it; no request is sent."""
    found = troubles(OTEL_TRACES_EXPORTER="otlp" if subject == "exporter" else "mlflow", **{variable: address})
    assert found == [("problem", subject, f"{variable}={shown} is not a valid address: {wrong}. Use http://HOST:PORT")]


def test_the_report_lists_what_leaves_the_machine() -> None:
    """Texts by name where they leave, and that none does where none is asked for."""
    (content,) = (
        finding.text
        for finding in examine({"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "SPAN_ONLY"})
        if finding.subject == "content"
    )
    assert content.startswith(
        "content is exported: prompts, answers and inputs; program states, instructions and demos; dataset rows"
    )
    (content,) = (finding.text for finding in examine({}) if finding.subject == "content")
    assert content.startswith("no content is exported")


@pytest.mark.parametrize(
    ("exporters", "switch", "level"),
    [("mlflow", "", "note"), ("mlflow", "NO_CONTENT", "ok"), ("otlp_by_size,mlflow", "", "ok")],
)
def test_mlflow_alone_gets_texts(exporters: str, switch: str, level: str) -> None:
    """As the instrumentor has it: only where MLflow is the one exporter, and nothing forbids it."""
    environment = {
        "OTEL_TRACES_EXPORTER": exporters,
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": switch,
    }
    assert [finding.level.value for finding in examine(environment) if finding.subject == "content"] == [level]


@pytest.mark.parametrize(
    ("environment", "texts"),
    [
        (
            {},
            "is not set: opentelemetry-instrument exports spans over OTLP to localhost, because opentelemetry-distro is",
        ),
        ({"OTEL_TRACES_EXPORTER": ""}, "=: opentelemetry-instrument sets no exporter; code may"),
        ({"OTEL_TRACES_EXPORTER": "None"}, "=None: opentelemetry-instrument sets no exporter; code may"),
    ],
)
def test_the_default_destination_of_spans(environment: dict[str, str], texts: str) -> None:
    """As opentelemetry-distro has it, which chooses OTLP where the variable is not there at all."""
    (text,) = (finding.text for finding in examine(environment) if finding.subject == "exporter")
    assert text.removeprefix("OTEL_TRACES_EXPORTER").lstrip().startswith(texts)


@pytest.mark.parametrize("named", [{"OTEL_TRACES_EXPORTER": "otlp_by_size"}, {}])
def test_an_endpoint_is_checked_for_every_exporter(named: dict[str, str]) -> None:
    """Our own exporter by OTLP, and the one that opentelemetry-distro chooses."""
    gone = free_port()
    (found,) = troubles(OTEL_EXPORTER_OTLP_ENDPOINT=f"http://127.0.0.1:{gone}", **named)
    assert found == (
        "problem",
        "exporter",
        f"traces (grpc) to 127.0.0.1:{gone}: cannot connect (Connection refused)",
    )


@pytest.mark.parametrize("status", [401, 403])
def test_rejected_credentials_are_reported(status: int) -> None:
    """It gives its health to everybody, and nothing else to us."""
    with listening(status, healthy=True) as port:
        (found,) = troubles(MLFLOW_TRACKING_URI=f"http://user:geheim@127.0.0.1:{port}")
    level, subject, text = found
    assert (level, subject) == ("problem", "mlflow")
    assert text.startswith(f"http://user@127.0.0.1:{port} rejects the credentials (status {status}): set")


def test_an_mlflow_that_answers_health_checks_only_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A question that is not answered costs the patience that each destination has, and not MLflow's own two minutes."""
    answered = threading.Event()
    create = MlflowClient.__init__

    def init(client: MlflowClient, *args: Any) -> None:
        monkeypatch.setattr(mlflow_store, "TIMEOUT", 0.2)  # the health check has been answered
        create(client, *args)

    def never(*_args: object, **_named: object) -> None:
        answered.wait(300)

    monkeypatch.setattr(MlflowClient, "__init__", init)
    monkeypatch.setattr(MlflowClient, "search_experiments", never)
    try:
        with listening(200, healthy=True) as port:
            findings = list(mlflow_store.mlflow_store({"MLFLOW_TRACKING_URI": f"http://127.0.0.1:{port}"}))
        assert not answered.is_set()
    finally:
        answered.set()
    as_tuple = [(finding.level, finding.text) for finding in findings if finding.subject == "mlflow"]
    assert as_tuple == [(Level.OK, f"http://127.0.0.1:{port} is reachable")]


def test_an_mlflow_that_never_answers_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is one problem, after the timeout of its health check; no list of runs is requested from it."""
    monkeypatch.setattr(mlflow_store, "TIMEOUT", 0.2)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"http://127.0.0.1:{silent.getsockname()[1]}"
        findings = examine({"MLFLOW_TRACKING_URI": uri})
        silent.settimeout(0.2)
        with silent.accept()[0] as connection:
            assert connection.recv(100).startswith(b"GET /health ")
        with pytest.raises(TimeoutError):
            silent.accept()
    assert ("problem", "mlflow", f"the MLflow health check of {uri} failed: timed out") in map(as_tuple, findings)
    assert [finding.text for finding in findings if finding.subject == "runs"] == []


@pytest.mark.parametrize("folder", ["/dev/null/x", "/proc/x"])
def test_a_spool_below_what_is_no_folder(folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be written there, though the system reports that the device or the folder can be."""
    monkeypatch.setenv("OTEL_DSPY_SPOOL_DIR", folder)
    ((level, subject, text),) = troubles()
    assert (level, subject) == ("problem", "spool")
    assert text.startswith(f"{folder} is not writable")


def test_spans_that_wait_in_the_spool_are_reported(tmp_path: Path) -> None:
    """Files that a dead process has left are a warning with the command that writes them."""
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "20260101T000000Z-1-1-control-0001.jsonl").write_text("{}\n")
    ((level, subject, text),) = troubles()
    assert (level, subject) == ("warning", "spool")
    assert text.startswith("1 file (")
    assert text.endswith(f"in {tmp_path / 'spool'} is not yet written to MLflow: run otel-dspy replay")


def test_the_command_prints_and_gives_a_status(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 where all is well, 1 with a problem; `--json` is an object with versions and the same findings."""
    assert main(["doctor"]) == 0
    assert "ok dspy" in capsys.readouterr().out
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert main(["doctor", "--json"]) == 1
    printed = json.loads(capsys.readouterr().out)
    assert printed["versions"]["dspy"] is not None
    assert {"subject": "sdk", "level": "problem", "text": "OTEL_SDK_DISABLED=true: nothing is recorded at all"} in (
        printed["findings"]
    )
