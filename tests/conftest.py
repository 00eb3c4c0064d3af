"""What every layer shares: an environment without outside influence and an honest last line."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.interpreters import collect_seldom
from tests.support.temporary_folders import keep_in_memory

# Before their modules are imported: assertions outside of tests show what they compare, too.
pytest.register_assert_rewrite(
    *(f"tests.{folder}" for folder in ("behavior", "chaos", "conformance", "docs", "integration", "versions"))
)
# Half of the time that DSPy takes to import goes to collections of garbage that is none yet.
gc.disable()
keep_in_memory()
collect_seldom()
# Before anything imports DSPy, litellm, MLflow or OpenTelemetry: they read these on import.
for _name in [name for name in os.environ if name.startswith(("OTEL_", "MLFLOW_", "DSPY_"))]:
    del os.environ[_name]
_dspy_cache = tempfile.TemporaryDirectory(prefix="otel-dspy-tests-")
_spool = tempfile.TemporaryDirectory(prefix="otel-dspy-tests-spool-")
os.environ |= {
    "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # or litellm asks a host for its price list
    "HF_HUB_OFFLINE": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DSPY_CACHEDIR": _dspy_cache.name,  # the developer's own cache answers no test
    "OTEL_DSPY_SPOOL_DIR": _spool.name,  # nor does a test leave spans in the developer's home
    "OTEL_DSPY_REPORT": "false",  # each would take a test a second: those of the artifact switch it on
}

if "dspy" in sys.modules:  # a forked worker
    sys.modules["dspy"].configure_cache(disk_cache_dir=_dspy_cache.name)

from tests.conformance.everywhere import held_to_the_contract, observed_violations  # noqa: E402 - OpenTelemetry is imported with it
from tests.support.entry_points import read_entry_points_once  # noqa: E402 - the same
from tests.support.fork_server import GC_THRESHOLDS  # noqa: E402 - the same
from tests.support.forked_workers import fork_workers  # noqa: E402 - the same
from tests.support.isolated_caplog import caplog, earlier_threads  # noqa: E402 - the same
from tests.support.leftovers import nothing_is_left  # noqa: E402 - the same
from tests.support.phoenix_start import await_phoenix, start_phoenix_early  # noqa: E402 - OpenTelemetry is imported with it
from tests.support.progress_bars import share_progress_bars  # noqa: E402 - after the environment is set
from tests.support.session_processes import begin_session, end_session  # noqa: E402 - the same
from tests.support.shared_server import app_server, server, server_uri, workspace_server  # noqa: E402 - the same

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "app_server",
    "caplog",
    "earlier_threads",
    "held_to_the_contract",
    "nothing_is_left",
    "observed_violations",
    "server",
    "server_uri",
    "workspace_server",
]  # fixtures, found here by pytest


_session = begin_session()


def pytest_unconfigure() -> None:
    """Stop what the tests of all workers share."""
    await_phoenix()
    end_session(_session)


@pytest.fixture(autouse=True, scope="session")
def _progress_bars() -> None:
    """Evaluations run side by side."""
    share_progress_bars()


@pytest.fixture(autouse=True, scope="session")
def _entry_points() -> None:
    """Most tests instrument DSPy."""
    read_entry_points_once()


_REASONS = {
    "slow": "take long each: `make test-all` runs them",
    "registry": "need the package registry",
    "other": "left out by -k, -m or --deselect",
}
_left_out: Counter[str] = Counter()


def pytest_collection_finish() -> None:
    """Leave what DSPy, MLflow and the tests have imported out of every later garbage collection, and collect less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Remember what `-m` and `-k` leave out, by the marker that may be the reason."""
    for item in items:
        _left_out[next((name for name in _REASONS if item.get_closest_marker(name)), "other")] += 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist reports what it has left out; each of them sees every test."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["left_out"] = dict(_left_out)
        gc.freeze()  # pytest collects garbage at its end, which nobody reads the warnings of in a worker


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes(config: pytest.Config, specs: Sequence[Any]) -> None:
    """Import the tests once for all workers."""
    start_phoenix_early(config)
    fork_workers(config, specs)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Hear it."""
    recorded: dict[str, int] = getattr(node, "workeroutput", {}).get("left_out", {})
    _left_out.update(Counter(recorded) - _left_out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in one line what did not run and why."""
    skipped = Counter(str(report.longrepr[2]) for report in terminalreporter.stats.get("skipped", []))
    parts = [f"{count} {name} ({_REASONS[name]})" for name, count in sorted(_left_out.items())]
    parts += [f"{count} skipped: {reason.removeprefix('Skipped: ')}" for reason, count in sorted(skipped.items())]
    terminalreporter.write_line(f"not run: {'; '.join(parts) or 'nothing'}")
