"""A store on sqlite with optimizations of any size and the traces of all their examples, written within minutes.

otel-dspy's processor writes one small optimization. The rows of its example's trace are copied in sqlite, with other
ids, texts and answers, once for each trial and example: tens of thousands of traces would take the processor hours. The
first copy is read back by MLflow's client and compared with the original.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import dspy
from mlflow import MlflowClient

from benchmarks.report import answer_of, label_of, text_of, write
from otel_dspy import semconv
from tests.support.dspy_answers import dspy_script
from tests.support.in_process_lm import in_process_lm
from tests.support.recorded_run import recording_into

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_TEXT, _LABEL, _ANSWER, _INSTRUCTION = "MARKTEXT", "MARKLABEL", "MARKANSWER", "MARKINSTRUCTION"
_TABLES: Final = (
    ("trace_info", "request_id"), ("trace_tags", "request_id"), ("trace_request_metadata", "request_id"),
    ("assessments", "trace_id"), ("spans", "trace_id"),
)  # fmt: skip
"""Tables with the rows of a trace, and the column of its id; parents before children."""
_AT_ONCE: Final = 500


@dataclass(frozen=True)
class Recorded:
    """Two optimizations of a size; the first has traces.

    Attributes:
        trials: number of trials.
        examples: size of the validation set.
        experiment: id of their experiment.
        compile_id: id of the first.
        runs: ids of their runs.
    """

    trials: int
    examples: int
    experiment: str
    compile_id: str
    runs: tuple[str, str]


def program() -> Any:
    """Return the program that the optimizations are of."""
    return dspy.Predict(cast("Any", dspy).Signature("text -> label", _INSTRUCTION))


def model() -> dspy.LM:
    """Return a model like the recorded one, that answers at once."""
    return in_process_lm(dspy_script({"label": lambda _: _ANSWER}))


def store(folder: Path, sizes: Sequence[tuple[int, int]]) -> tuple[str, list[Recorded]]:
    """Write the optimizations that the folder does not have yet.

    Returns:
        The tracking URI, and the optimizations by size.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known = folder / "sizes.json"
    uri = f"sqlite:///{folder / 'mlflow.db'}"
    if not known.exists():
        with recording_into(folder), cast("Any", dspy).context(lm=model()):
            example: Any = cast("Any", dspy.Example(text=_TEXT, label=_LABEL)).with_inputs("text")
            optimizer: Any = dspy.BootstrapFewShotWithRandomSearch(_right, num_threads=1, num_candidate_programs=1)
            optimizer.compile(program(), trainset=[example], restrict=[-3])
        known.write_text("[]")
    kept: list[Any] = json.loads(known.read_text())
    found = [
        Recorded(one["trials"], one["examples"], one["experiment"], one["compile_id"], (one["runs"][0], one["runs"][1]))
        for one in kept
    ]
    client = MlflowClient(uri)
    template = _Template(client, folder)
    for trials, examples in sizes:
        if any((one.trials, one.examples) == (trials, examples) for one in found):
            continue
        name = f"{trials} x {examples}"
        experiment = client.create_experiment(name, artifact_location=(folder / name.replace(" ", "")).as_uri())
        ids = [hashlib.md5(f"{name} {number}".encode(), usedforsecurity=False).hexdigest() for number in range(2)]
        runs = [
            write(client, experiment, trials, examples, programs=template.program, compile_id=compile_id)
            for compile_id in ids
        ]
        template.copy(experiment, ids[0], runs[0], trials, examples)
        found.append(Recorded(trials, examples, experiment, ids[0], (runs[0], runs[1])))
        known.write_text(json.dumps([vars(one) for one in found], indent=1))
    return uri, found


def _right(example: Any, prediction: Any, trace: object = None) -> bool:
    del example, prediction, trace
    return True


class _Template:
    """The optimization that the processor wrote."""

    def __init__(self, client: MlflowClient, folder: Path) -> None:
        self._client = client
        self._file = folder / "mlflow.db"
        experiment: Any = client.get_experiment_by_name("recorded")
        traces = cast("Any", client).search_traces(locations=[experiment.experiment_id], include_spans=False)
        (self._trace_id,) = (trace.info.trace_id for trace in traces if semconv.DSPY_EXAMPLE_INDEX in trace.info.tags)
        runs = client.search_runs([experiment.experiment_id])
        (trial,) = (run for run in runs if semconv.DSPY_TRIAL_INDEX in run.data.tags)
        (compiled,) = (run for run in runs if semconv.DSPY_TRIAL_INDEX not in run.data.tags)
        self._ids = (trial.info.run_id, compiled.info.run_id, compiled.data.tags[semconv.DSPY_COMPILE_ID])
        self._state = Path(client.download_artifacts(trial.info.run_id, "model.json")).read_text()

    def program(self, number: int) -> dict[str, Any]:
        """Return the state of a program."""
        return json.loads(self._state.replace(_INSTRUCTION, _instruction(number)))

    def copy(self, experiment: str, compile_id: str, run_id: str, trials: int, examples: int) -> None:
        """Copy the trace for each trial and example."""
        children: Any = self._client.search_runs(
            [experiment], f"tags.`mlflow.parentRunId` = '{run_id}'", max_results=trials
        )
        of_trial = {int(child.data.tags[semconv.DSPY_TRIAL_INDEX]): child.info.run_id for child in children}
        pairs = [(trial, example) for trial in range(trials) for example in range(examples)]
        with closing(sqlite3.connect(self._file)) as database:
            rows = {table: list(self._rows(database, table, column)) for table, column in _TABLES}
            for start in range(0, len(pairs), _AT_ONCE):
                texts = [
                    self._texts(compile_id, of_trial[trial], run_id, trial, example)
                    for trial, example in pairs[start : start + _AT_ONCE]
                ]
                with database:
                    for table, found in rows.items():
                        columns = ", ".join(found[0])
                        marks = ", ".join("?" * len(found[0]))
                        database.executemany(
                            f"INSERT INTO {table} ({columns}) VALUES ({marks})",  # noqa: S608 - names of MLflow's own
                            [_copied(row, experiment, number) for number in texts for row in found],
                        )
        self._check(self._texts(compile_id, of_trial[1], run_id, 1, 2))

    def _rows(self, database: sqlite3.Connection, table: str, column: str) -> Iterator[dict[str, Any]]:
        names = [row[1] for row in database.execute(f"PRAGMA table_xinfo({table})") if not row[6]]  # not computed ones
        query = f"SELECT {', '.join(names)} FROM {table} WHERE {column} = ?"  # noqa: S608 - names of MLflow's own
        for row in database.execute(query, (self._trace_id,)):
            yield dict(zip(names, row, strict=True))

    def _texts(self, compile_id: str, child: str, run_id: str, trial: int, example: int) -> dict[str, str]:
        """Return what a copy has in the place of the template's texts."""
        old = self._trace_id.removeprefix("tr-")
        new = hashlib.md5(f"{compile_id} {trial} {example}".encode(), usedforsecurity=False).hexdigest()
        trial_run, compiled, of_compile = self._ids
        return {
            old: new,
            _base64(old): _base64(new),
            trial_run: child,
            compiled: run_id,
            of_compile: compile_id,
            f'"{semconv.DSPY_TRIAL_INDEX}": "0"': f'"{semconv.DSPY_TRIAL_INDEX}": "{trial}"',
            f'"{semconv.DSPY_EXAMPLE_INDEX}": "0"': f'"{semconv.DSPY_EXAMPLE_INDEX}": "{example}"',
            _TEXT: text_of(example),
            _LABEL: label_of(example),
            _ANSWER: answer_of(trial, example)[0],
            _INSTRUCTION: _instruction(trial % 5),
            "trial": str(trial),
            "example": str(example),
        }

    def _check(self, texts: Mapping[str, str]) -> None:
        """Compare a copy, as MLflow's client reads it, with what the processor wrote."""
        original, copied = (
            self._client.get_trace(trace_id).to_dict()
            for trace_id in (self._trace_id, f"tr-{texts[self._trace_id.removeprefix('tr-')]}")
        )
        for found in (original, copied):
            found["info"]["trace_location"] = None
            found["info"]["tags"].pop("mlflow.artifactLocation")
            for one in found["info"]["assessments"]:
                one["assessment_id"] = None
        tags = original["info"]["tags"]
        tags[semconv.DSPY_TRIAL_INDEX], tags[semconv.DSPY_EXAMPLE_INDEX] = texts["trial"], texts["example"]
        tags = copied["info"]["tags"]
        assert json.loads(_replaced(json.dumps(original), texts)) == copied, "the copy differs from the original"


def _copied(row: Mapping[str, Any], experiment: str, texts: Mapping[str, str]) -> tuple[Any, ...]:
    made = {name: _replaced(value, texts) if isinstance(value, str) else value for name, value in row.items()}
    if "experiment_id" in made:
        made["experiment_id"] = int(experiment)
    if "assessment_id" in made:
        made["assessment_id"] = f"a-{hashlib.md5(repr(made).encode(), usedforsecurity=False).hexdigest()}"
    if made.get("key") == semconv.DSPY_TRIAL_INDEX:
        made["value"] = texts["trial"]
    if made.get("key") == semconv.DSPY_EXAMPLE_INDEX:
        made["value"] = texts["example"]
    return tuple(made.values())


def _replaced(text: str, texts: Mapping[str, str]) -> str:
    for old, new in list(texts.items())[:-2]:
        if old in text:
            text = text.replace(old, new)
    return text


def _instruction(number: int) -> str:
    return f"Instruction {number}. {text_of(number).strip()}"


def _base64(hexadecimal: str) -> str:
    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()
