"""Test matrix over versions of DSPy, OpenTelemetry, MLflow and Python: one session per cell (`make test-matrix`).

A cell pins exact versions of its subject and of dependencies that only an old version has. All other packages have the
versions of `requirements/dev.txt`, so that a cell differs from the suite in its subject only.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import nox

nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = False  # sessions without their Python are skipped
nox.options.stop_on_first_error = False

PYTHON: Final = "3.11"
SHORT: Final = "short"
"""Tag of the cells that every change must pass."""
TESTED_WITH: Final = (
    "mlflow",
    "hypothesis",
    "optuna",
    "inline-snapshot",
    "pytest",
    "pytest-asyncio",
    "pytest-timeout",
    "pytest-xdist",
    "pyyaml",
    "rich",
)
RUNS: Final = "tests/versions/test_mlflow_runs.py"
FLUENT: Final = "tests/versions/test_fluent_tracing.py"
"""MLflow's tracing API, which looks up the active span differently before MLflow 3.9."""
TABLE: Final = "tests/versions/test_feature_table.py"
EXITS: Final = "tests/versions/test_exits.py"
"""Process shutdown, which differs between Python versions."""
SPANS: Final = ("tests/versions", f"--ignore={RUNS}", f"--ignore={EXITS}")
BOTH: Final = ("tests/versions", "-k", "not server")
"""Including runs, in a database without a server, whose start takes longer than all other tests."""
KILLED: Final = "tests/integration/end_to_end/test_killed.py"
"""Ends traces that have spans, which MLflow before 3.9 handles differently."""
COMPARED: Final = "tests/unit/reporting/test_mlflows_own_comparison.py"
"""`mlflow.genai.compare_evaluations`, which MLflow has from 3.18."""
AUTHENTICATED: Final = "tests/integration/mlflow_server_app/test_basic_auth.py"
ENDS: Final = tuple(
    f"tests/unit/telemetry/deferred/test_{name}.py"
    for name in ("ends_of_calls", "last_ends", "redactors", "span_processors", "spans_in_programs")
)
"""Deferred ends of the SDK's spans, whose version these cells vary."""


@dataclass(frozen=True)
class Cell:
    """One environment.

    Attributes:
        about: package and version; the name of the session.
        pins: exact versions that differ from the suite's.
        tests: arguments for pytest.
        beside: exact versions that are installed over the suite's, without dependencies.
        python: Python version; a patch release is that one alone.
        short: whether every change must pass it.
        extras: the package's extras.
    """

    about: str
    pins: tuple[str, ...]
    tests: tuple[str, ...] = SPANS
    beside: tuple[str, ...] = ()
    python: str = PYTHON
    short: bool = False
    extras: str = "instruments,mlflow"


_BEFORE_3_3: Final = ("asyncer==0.0.8", "xxhash==4.1.0")
_BEFORE_3_1: Final = ("backoff==2.2.1", "magicattr==0.1.7", *_BEFORE_3_3)
_OLD_MLFLOW: Final = ("gunicorn==23.0.0", "pandas==2.3.3", "pytz==2026.6", "sqlalchemy==2.0.58")
_BEFORE_MLFLOW_3_4: Final = (
    *(f"opentelemetry-{name}==1.44.0" for name in ("api", "sdk", "proto")),
    *(f"opentelemetry-{name}==0.65b0" for name in ("instrumentation", "semantic-conventions")),
)
"""With opentelemetry-sdk 1.45 the spans of MLflow's own tracing API do not end, see docs/versions.md."""

CELLS: Final = (
    Cell(
        "dspy-2.6.27",
        ("dspy==2.6.27", "datasets==5.2.0", "dill==0.4.1", "multiprocess==0.70.19", "ujson==6.1.0", *_BEFORE_3_1),
        short=True,
    ),
    Cell("dspy-3.0.4", ("dspy==3.0.4", "gepa==0.0.17", *_BEFORE_3_1), short=True),
    Cell("dspy-3.1.3", ("dspy==3.1.3", "gepa==0.0.26", *_BEFORE_3_3)),
    Cell("dspy-3.2.1", ("dspy==3.2.1", "gepa==0.0.27", "typeguard==4.4.3", *_BEFORE_3_3)),
    Cell("dspy-3.3.1", ("dspy==3.3.1",)),
    Cell(
        "opentelemetry-1.43.0",
        (
            *(f"opentelemetry-{name}==1.43.0" for name in ("api", "sdk", "proto")),
            *(f"opentelemetry-{name}==0.64b0" for name in ("instrumentation", "semantic-conventions")),
            "fastapi==0.141.1",
        ),
        (*BOTH, *ENDS),
        short=True,
    ),
    Cell(
        "mlflow-2.21.1",
        (
            *(f"{name}==2.21.1" for name in ("mlflow", "mlflow-skinny")),
            "cachetools==5.5.2",
            "packaging==24.2",
            "protobuf==5.29.6",
            "pyarrow==19.0.1",
            *_OLD_MLFLOW,
            *_BEFORE_MLFLOW_3_4,
        ),
        (RUNS, FLUENT, EXITS, TABLE),
    ),
    *(
        Cell(
            f"mlflow-{version}",
            (
                *(f"{name}=={version}" for name in ("mlflow", "mlflow-skinny", "mlflow-tracing")),
                "cachetools==6.2.6",
                f"cryptography=={cryptography}",
                "packaging==25.0",
                "protobuf==6.33.6",
                f"pyarrow=={pyarrow}",
                *_OLD_MLFLOW,
                *opentelemetry,
            ),
            (RUNS, FLUENT, TABLE),
        )
        for version, cryptography, pyarrow, opentelemetry in (
            ("3.1.4", "50.0.2", "20.0.0", _BEFORE_MLFLOW_3_4),
            ("3.5.1", "46.0.7", "21.0.0", ()),
        )
    ),
    Cell(
        "mlflow-3.6.0",
        (
            *(f"{name}==3.6.0" for name in ("mlflow", "mlflow-skinny", "mlflow-tracing")),
            "cachetools==6.2.6",
            "cryptography==46.0.7",
            "huey==2.6.0",
            "packaging==25.0",
            "protobuf==6.33.6",
            "pyarrow==22.0.0",
            *_OLD_MLFLOW,
        ),
        (RUNS, FLUENT, KILLED, TABLE),
        short=True,
    ),
    # The companions of this release, mlflow-skinny and mlflow-tracing, are not in the registry yet.
    Cell(
        "mlflow-3.18.0",
        (),
        (RUNS, FLUENT, KILLED, TABLE, COMPARED),
        beside=("mlflow==3.18.0",),
        extras="instruments,mlflow,report",
    ),
    # MLflow's authentication, which the suite's environment does not have.
    Cell(
        "mlflow-auth", ("flask-wtf==1.3.0", "wtforms==3.3.2"), (AUTHENTICATED,), extras="instruments,mlflow,otlp,bridge"
    ),
    Cell("python-3.12", (), BOTH, python="3.12", short=True),
    # The last release whose interpreter starts no threads once it shuts down.
    Cell("python-3.12.1", (), (EXITS,), python="3.12.1"),
    Cell("python-3.13", (), BOTH, python="3.13"),
    Cell("python-3.14", (), BOTH, python="3.14"),
    Cell("latest", (), (*BOTH, *ENDS)),
)


def _interpreter(version: str) -> str:
    """Return what nox takes as an interpreter: for a patch release its path, because nox would take any other one.

    Where uv does not find it, a name that does not exist: nox skips the session.
    """
    if version.count(".") < 2:  # noqa: PLR2004 - of major.minor.patch
        return version
    try:
        find = ("uv", "python", "find", "--system", f"=={version}")
        found = subprocess.run(find, check=True, capture_output=True, text=True)  # noqa: S603 - fixed arguments
    except (FileNotFoundError, subprocess.CalledProcessError):
        return f"python{version}"
    return found.stdout.strip()


def _register(cell: Cell) -> None:
    @nox.session(name=cell.about, python=_interpreter(cell.python), tags=[SHORT] if cell.short else [])
    def run(session: nox.Session) -> None:
        constraints = Path(session.create_tmp(), "constraints.txt")
        constraints.write_text("\n".join(_constraints(cell.pins)), encoding="utf-8")
        install = ("--constraint", str(constraints))
        session.install(*install, "hatchling", "editables")
        # With dependencies: the bounds in pyproject.toml must allow the cell's versions.
        session.install(*install, *cell.pins, *TESTED_WITH, "--no-build-isolation", "--editable", f".[{cell.extras}]")
        if cell.beside:
            session.install("--no-deps", *cell.beside)
        session.run("python", "--version")
        session.run("python", "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", *cell.tests, *session.posargs)


def _constraints(pins: tuple[str, ...]) -> list[str]:
    """Return the suite's pins without hashes, with the cell's versions in place of theirs."""
    freed = {pin.partition("==")[0] for pin in pins}
    pinned = re.findall(
        r"^([a-z0-9._-]+)(==\S+(?: ;[^\\\n]*)?)", Path("requirements/dev.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    return [*(f"{name}{rest.strip()}" for name, rest in pinned if name not in freed), *pins]


for one in CELLS:
    _register(one)


@nox.session(name="canary", python=PYTHON, default=False)
@nox.parametrize("releases", ["final", "pre"])
def canary(session: nox.Session, releases: str) -> None:
    """Run the scenarios on the newest releases; report differences from the pins, and failures.

    Only the bounds in pyproject.toml apply. `pre`: includes pre-releases of every package.
    """
    allowed = "allow" if releases == "pre" else "if-necessary-or-explicit"
    session.install("--upgrade", "hatchling", "editables")
    session.install(
        "--upgrade",
        "--prerelease",
        allowed,
        *TESTED_WITH,
        "--no-build-isolation",
        "--editable",
        ".[instruments,mlflow]",
    )
    results = str(Path(session.create_tmp(), "results.xml"))
    tests = ("python", "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", f"--junitxml={results}")
    session.run(*tests, *BOTH, *session.posargs, success_codes=range(6))
    session.run("python", "-m", "tools.canary", results)
