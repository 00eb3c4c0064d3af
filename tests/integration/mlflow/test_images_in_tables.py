"""Images of examples in MLflow's tables and traces: files that the UI shows, by processor, bridge and replay."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any, Final

import dspy
import mlflow
import pytest
import requests
from mlflow import MlflowClient
from mlflow.tracing.attachments import Attachment
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from otel_dspy import DSPyInstrumentor
from otel_dspy.cli import main
from otel_dspy.environment.variable_names import SPOOL_DIR
from otel_dspy.mlflow import MlflowSpanProcessor
from tests.support.addition_task import exact
from tests.support.bridges import exporter, running_bridge
from tests.support.in_process_lm import in_process_lm
from tests.support.png_images import data_uri, png

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from opentelemetry.sdk.trace import SpanProcessor

AWAY: Final = "http://127.0.0.1:9"
"""Nothing listens there."""
SMALL: Final = (png(0), png(255))
LARGE: Final = (png(0, 300), b"\0" * 70_000)
"""The second exceeds the limit of 65,536 bytes."""


class Look(dspy.Signature):
    """Say what is in the picture."""

    picture: dspy.Image = dspy.InputField()
    answer: str = dspy.OutputField()


def _evaluate(processor: SpanProcessor, images: tuple[bytes, ...], **settings: Any) -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    options = {"capture_content": True, "capture_datasets": True, **settings}
    DSPyInstrumentor().instrument(tracer_provider=provider, **options)
    devset: list[Any] = [
        dspy.Example(picture=dspy.Image(data_uri(image)), answer="a cat").with_inputs("picture") for image in images
    ]
    lm = in_process_lm(lambda _: "[[ ## answer ## ]]\na cat\n\n[[ ## completed ## ]]")
    try:
        with dspy.context(lm=lm):
            dspy.Evaluate(devset=devset, metric=exact, num_threads=1, display_progress=False)(dspy.Predict(Look))
    finally:
        DSPyInstrumentor().uninstrument()


def _in_process(uri: str, experiment: str, folder: Path) -> None:
    del folder
    processor = MlflowSpanProcessor(tracking_uri=uri, experiment=experiment)
    _evaluate(processor, SMALL)
    processor.shutdown()


def _by_bridge(uri: str, experiment: str, folder: Path) -> None:
    del folder
    with running_bridge(uri, experiment) as bridge:
        processor = BatchSpanProcessor(exporter(bridge, "http"))
        _evaluate(processor, SMALL)
        processor.shutdown()


def _by_replay(uri: str, experiment: str, folder: Path) -> None:
    processor = MlflowSpanProcessor(tracking_uri=AWAY, experiment=experiment)
    _evaluate(processor, SMALL)
    processor.shutdown(wait=False)
    for _ in range(2):
        assert main(["replay", "--keep", str(folder), "--tracking-uri", uri]) == 0


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the spool, empty."""
    monkeypatch.setenv(SPOOL_DIR, str(tmp_path))
    return tmp_path


def _only_run(uri: str, experiment: str) -> str:
    client: Any = MlflowClient(uri)
    (run,) = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    return str(run.info.run_id)


def _column(uri: str, experiment: str, table: str, column: str) -> list[Any]:
    """A table's column as MLflow loads it."""
    run_id = _only_run(uri, experiment)
    mlflow.set_tracking_uri(uri)
    experiment_id: Any = MlflowClient(uri).get_experiment_by_name(experiment)
    loaded: Any = MlflowClient(uri).load_table(experiment_id.experiment_id, table, run_ids=[run_id])
    return list(loaded[column])


@pytest.mark.parametrize("deliver", [_in_process, _by_bridge, _by_replay])
def test_the_ui_gets_each_image(deliver: Callable[[str, str, Path], None], server_uri: str, spool: Path) -> None:
    """Both tables have an image a row; the address that the UI takes for it returns the file that DSPy was given."""
    experiment = f"images-{uuid.uuid4().hex[:8]}"
    deliver(server_uri, experiment, spool)
    run_id = _only_run(server_uri, experiment)
    for table, column in (("result_table.json", "example_picture"), ("evalset.json", "picture")):
        cells = _column(server_uri, experiment, table, column)
        assert [cell["type"] for cell in cells] == ["image", "image"]
        assert all(cell["filepath"].startswith(f"table_images/{table.removesuffix('.json')}/") for cell in cells)
        for name in ("filepath", "compressed_filepath"):
            shown = [
                requests.get(
                    f"{server_uri}/get-artifact", params={"path": cell[name], "run_uuid": run_id}, timeout=60
                ).content
                for cell in cells
            ]
            assert shown == list(SMALL)
    assert _images_in_traces(server_uri, experiment) == {"CHAIN": set(SMALL), "EVALUATOR": set(SMALL)}


def _column_of(uri: str, images: tuple[bytes, ...], **settings: Any) -> list[Any]:
    experiment = f"images-{uuid.uuid4().hex[:8]}"
    processor = MlflowSpanProcessor(tracking_uri=uri, experiment=experiment)
    _evaluate(processor, images, **settings)
    processor.shutdown()
    return _column(uri, experiment, "result_table.json", "example_picture")


def test_an_image_over_the_limit(server_uri: str) -> None:
    """It is a text with size and digest, and so is the rest of its column."""
    assert _column_of(server_uri, LARGE) == [
        f"[image/png, {len(LARGE[0])} bytes]",
        "[image/png, 70000 bytes, sha256 f51b279903037b37]",
    ]


def test_what_a_redactor_takes_away(server_uri: str) -> None:
    """The redactor's text is in the table instead of the image."""

    def redact(name: str, text: str) -> str:
        del name
        return "withheld" if "base64" in text else text

    cells = _column_of(server_uri, SMALL, redact=redact)
    assert cells == ["[withheld]"] * 2


def _spans(uri: str, experiment: str) -> list[Any]:
    mlflow.set_tracking_uri(uri)
    client: Any = MlflowClient(uri)
    experiment_id = client.get_experiment_by_name(experiment).experiment_id
    return [span for trace in client.search_traces(locations=[experiment_id]) for span in trace.data.spans]


def _images_in_traces(uri: str, experiment: str) -> dict[str, set[bytes]]:
    """The images that the UI requests for the inputs of each type of span."""
    found: dict[str, set[bytes]] = {"CHAIN": set(), "EVALUATOR": set()}
    for span in _spans(uri, experiment):
        inputs: dict[str, Any] = span.inputs or {}
        if span.span_type not in found or "picture" not in inputs:
            continue
        reference = Attachment.parse_ref(inputs["picture"]["image_url"]["url"])
        assert reference is not None
        assert (reference["content_type"], reference["trace_id"]) == ("image/png", span.trace_id)
        answer = requests.get(
            f"{uri}/ajax-api/2.0/mlflow/get-trace-artifact",
            params={"request_id": span.trace_id, "path": reference["attachment_id"]},
            timeout=60,
        )
        assert (answer.status_code, len(answer.content)) == (200, reference["size"])
        found[span.span_type].add(answer.content)
    return found


def test_in_a_trace(server_uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages of a model contain the image; so do inputs, as data URIs, where MLflow's own switch turns references off."""
    monkeypatch.setenv("MLFLOW_TRACE_EXTRACT_ATTACHMENTS", "false")
    experiment = f"images-{uuid.uuid4().hex[:8]}"
    processor = MlflowSpanProcessor(tracking_uri=server_uri, experiment=experiment)
    _evaluate(processor, SMALL[:1])
    processor.shutdown()
    spans = _spans(server_uri, experiment)
    shown = {"type": "image_url", "image_url": {"url": data_uri(SMALL[0])}}
    assert [span.inputs["picture"] for span in spans if span.span_type == "CHAIN"] == [shown]
    (call,) = (span for span in spans if span.span_type == "CHAT_MODEL")
    parts = [part for message in call.inputs if isinstance(message.get("content"), list) for part in message["content"]]
    assert shown in parts


def test_no_image_without_content(server_uri: str) -> None:
    """Without content there is neither a column nor a file."""
    experiment = f"images-{uuid.uuid4().hex[:8]}"
    processor = MlflowSpanProcessor(tracking_uri=server_uri, experiment=experiment)
    _evaluate(processor, SMALL, capture_content=False, capture_datasets=False)
    processor.shutdown()
    run_id = _only_run(server_uri, experiment)
    assert [file.path for file in MlflowClient(server_uri).list_artifacts(run_id)] == ["result_table.json"]
    assert _column(server_uri, experiment, "result_table.json", "score") == [1.0, 1.0]
    with pytest.raises(KeyError):
        _column(server_uri, experiment, "result_table.json", "example_picture")
