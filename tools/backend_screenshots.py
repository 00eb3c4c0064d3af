"""Screenshots for docs/backends.md: pages of Phoenix and MLflow with the data of the backend tests.

python -m tools.backend_screenshots docs/images
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow import MlflowClient

from tests.integration.backends.reference_telemetry import otlp, send_telemetry
from tests.support.mlflow_server import mlflow_server
from tests.support.phoenix_server import running_phoenix
from tools.screenshots import PATIENCE, browser_page

if TYPE_CHECKING:
    from playwright.sync_api import Page, ViewportSize

    from tests.integration.backends.reference_telemetry import SentTelemetry

SIZE: ViewportSize = {"width": 1400, "height": 760}
WAY: dict[str, Any] = {"trace_shape": "nested", "capture_content": True}
SETTLING = 6_000
"""Milliseconds that a page's tables and trees take to fill after its first text."""


def _phoenix(page: Page, folder: Path, store: Path) -> None:
    with running_phoenix(store) as phoenix:
        recorded = send_telemetry(
            "sums",
            [otlp(phoenix.url)],
            {"openinference.project.name": "sums"},
            **WAY,
            extra_conventions="openinference",
        )
        tokens = recorded.total("gen_ai.usage.input_tokens") + recorded.total("gen_ai.usage.output_tokens")
        held = phoenix.read({"sums": {"spans": len(recorded.spans), "tokens": tokens}})
        project = held["sums"]["sessions"][0]["project_id"]
        base = f"{phoenix.url}/projects/{project}"
        _shoot(page, f"{base}/traces/{_trace(recorded)}", "evaluate exact", folder / "phoenix-trace.png")
        _shoot(page, f"{base}/sessions", "sums-alice", folder / "phoenix-sessions.png")


def _mlflow(page: Page, folder: Path, store: Path) -> None:
    with mlflow_server(store) as server:
        experiment = MlflowClient(server.uri).create_experiment("sums")
        recorded = send_telemetry("sums", [otlp(server.uri, **{"x-mlflow-experiment-id": experiment})], **WAY)
        shown = f"{server.uri}/#/experiments/{experiment}/traces?selectedEvaluationId=tr-{_trace(recorded)}"
        _shoot(page, shown, "setup", folder / "mlflow-otlp-trace.png", width=980)  # no other data is visible


def _trace(recorded: SentTelemetry) -> str:
    """The optimization's trace."""
    context: Any = recorded.named("compile")[0].context
    return f"{context.trace_id:032x}"


def _shoot(page: Page, url: str, text: str, path: Path, width: int = SIZE["width"]) -> None:
    page.goto(url, wait_until="domcontentloaded", timeout=PATIENCE)
    page.get_by_text(text).first.wait_for(timeout=PATIENCE)
    page.wait_for_timeout(SETTLING)
    page.screenshot(path=path, clip={"x": 0, "y": 0, "width": width, "height": SIZE["height"]})
    print(path)


def main() -> None:
    """Read the command line and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="output folder")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as stores, browser_page(SIZE) as page:
        _phoenix(page, folder, Path(stores) / "phoenix")
        _mlflow(page, folder, Path(stores) / "mlflow")


if __name__ == "__main__":
    main()
