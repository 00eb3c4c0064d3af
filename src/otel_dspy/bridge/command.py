"""Command `otel-dspy bridge`: runs a bridge until SIGTERM or Ctrl-C."""

from __future__ import annotations

import atexit
import faulthandler
import logging
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

from otel_dspy.bridge.collector_config import collector_config
from otel_dspy.bridge.configuration import setting_definitions, settings
from otel_dspy.bridge.garbage_collection import exclude_modules
from otel_dspy.environment.optional_modules import is_installed
from otel_dspy.mlflow.tracking_uri import without_passwords

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

NEEDED: Final = (
    "mlflow",
    "google.protobuf",
    "google.rpc.status_pb2",
    "grpc",
    "opentelemetry.proto",
    "opentelemetry.sdk",
    "prometheus_client",
    "requests",
    "starlette",
    "uvicorn",
)
"""Modules that a bridge imports, each provided by the extra `bridge`."""


EXIT: Final = 5.0
"""Seconds that exit handlers may take after `Bridge.stop`."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the command."""
    setting_definitions.add_arguments(parser)
    parser.add_argument(
        "--print-collector-config",
        action="store_true",
        help="print the configuration of an OpenTelemetry Collector in front of this bridge, and exit",
    )


def run(chosen: argparse.Namespace, write_line: Callable[[str], None]) -> int:
    """Run a bridge until SIGTERM or Ctrl-C.

    Args:
        chosen: parsed arguments.
        write_line: prints a line to standard output.

    Returns:
        Exit status: 0 after a regular shutdown, 1 if the bridge cannot start.
    """
    try:
        wanted = settings.resolve(vars(chosen))
    except settings.BridgeSettingError as error:
        print(error, file=sys.stderr)
        return 1
    if chosen.print_collector_config:
        write_line(collector_config(wanted).rstrip())
        return 0
    missing = [name for name in NEEDED if not is_installed(name)]
    if missing:
        print(f"{', '.join(missing)} not installed: pip install 'otel-dspy[bridge]'", file=sys.stderr)
        return 1
    from otel_dspy.bridge.service import TEARDOWN, Bridge  # noqa: PLC0415 - imports MLflow, which takes seconds

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for chatty in ("alembic", "mlflow"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    bridge = Bridge(wanted)
    try:
        bridge.start()
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    ended = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda _number, _frame: ended.set())
    if wanted.http is not None:
        write_line(f"OTLP/HTTP on {wanted.http.host}:{bridge.http_port}")
    if wanted.grpc is not None:
        write_line(f"OTLP/gRPC on {wanted.grpc.host}:{bridge.grpc_port}")
    write_line(f"to MLflow at {without_passwords(wanted.tracking_uri)}")
    if wanted.queue is not None:
        write_line(f"queue in {wanted.queue}")
    sys.stdout.flush()
    exclude_modules(lambda: bridge.writer.written > 0, ended)
    ended.wait()
    # The watchdog works without the GIL and also bounds exit handlers of third-party libraries.
    faulthandler.dump_traceback_later(wanted.drain_timeout + TEARDOWN + EXIT, exit=True)
    bridge.stop()
    return _exit()


def _exit() -> NoReturn:
    """Run exit handlers and end the process with status 0, skipping the rest of the interpreter's shutdown.

    The shutdown joins pool threads of third-party libraries, such as boto3, which may block in a request for minutes.
    Freeing the modules that MLflow loads takes 1 s of CPU time, 10 s on a busy machine.
    """
    cast("Any", atexit)._run_exitfuncs()  # noqa: SLF001 - has no public name
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
