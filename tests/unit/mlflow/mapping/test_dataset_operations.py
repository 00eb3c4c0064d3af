"""Operations of the datasets of a compile and of an evaluation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from otel_dspy.mlflow.mapping.operations import (
    EvaluationRecord,
    LogDataset,
    LogEvaluationDataset,
    LogTable,
)
from otel_dspy.mlflow.mapping.run_keys import CompileRun, EvaluateRun, UserRun
from otel_dspy.mlflow.records.route import Options, RootKind, TraceContext
from tests.support.mapped_spans import CID, kinds, mapped, span

RUN = CompileRun(CID)
TRACE = "t" * 32
NO_RUNS = Options(log_traces=False, log_compiles=False)
ALONE = TraceContext(trace_id=TRACE, root_id="e", kind=RootKind.EVALUATE, evaluate=(TRACE, "e"))


@pytest.mark.parametrize(
    ("role", "name", "logged_name", "path"),
    [
        ("train", "trainset", "trainset", "trainset.json"),
        ("validation", "trainset", "valset", "valset.json"),
        ("validation", "gsm8k", "gsm8k", "valset.json"),
        ("train", "valset", "valset", "trainset.json"),
        ("pro:be", "probes", "probes", "pro:beset.json"),
        ("a//b", "probes", "probes", "a/bset.json"),
    ],
)
def test_a_dataset_of_a_compile(role: str, name: str, logged_name: str, path: str) -> None:
    """An input of the run and a table; a trainset that validates too has another name, since a name is logged once."""
    dataset = span(
        "dataset",
        {
            "dspy.compile.id": CID,
            "dspy.dataset.role": role,
            "dspy.dataset.id": "d" * 40,
            "dspy.dataset.name": name,
            "dspy.dataset.size": 2,
            "dspy.dataset.fields": ("question", "answer"),
            "dspy.dataset.rows": '[{"answer": "2", "question": "1+1"}, {"question": "?", "hint": "none"}]',
        },
    )
    assert mapped(dataset) == [
        LogDataset(
            key=f"{CID}/dataset/{role}",
            run=RUN,
            name=logged_name,
            digest="d" * 36,
            role=role,
            fields=("question", "answer"),
            size=2,
            start_ms=1000,
        ),
        LogTable(
            key=f"{CID}/table/{role}",
            run=RUN,
            path=path,
            columns=["question", "answer", "hint"],
            rows=[["1+1", "2", None], ["?", None, "none"]],
            start_ms=1000,
        ),
    ]
    assert mapped(dataset, options=NO_RUNS) == []


def test_an_evaluation_dataset() -> None:
    """Inputs and expectations of each row that has inputs, named by content; only if asked for, and with rows."""
    given: dict[str, Any] = {
        "dspy.compile.id": CID,
        "dspy.dataset.role": "validation",
        "dspy.dataset.id": "0123456789abcdef",
        "dspy.dataset.name": "trainset",
        "dspy.dataset.input_fields": ("question",),
    }
    rows = {
        "dspy.dataset.rows": '[{"question": "1+1", "answer": "2"}, {"answer": "4", "question": "2+2", "hint": null}, {"answer": "6"}]'
    }
    options = Options(log_traces=False, log_evaluation_datasets=True)
    assert mapped(span("dataset", given | rows), options=options)[-1] == LogEvaluationDataset(
        key="evaluation dataset/0123456789abcdef",
        name="valset 0123456789abcdef",
        dataset_id="0123456789abcdef",
        records=(
            EvaluationRecord({"question": "1+1"}, {"answer": "2"}),
            EvaluationRecord({"question": "2+2"}, {"answer": "4", "hint": None}),
        ),
    )
    assert kinds(mapped(span("dataset", given | rows))) == ["LogDataset", "LogTable"]
    assert kinds(mapped(span("dataset", given), options=options)) == ["LogDataset"]
    nothing_to_call = given | rows | {"dspy.dataset.input_fields": ()}
    assert kinds(mapped(span("dataset", nothing_to_call), options=options)) == ["LogDataset", "LogTable"]


@pytest.mark.parametrize("rows", [None, "[cut", '{"question": "1+1"}', "7"])
def test_a_dataset_without_rows_is_an_input_only(rows: str | None) -> None:
    """Content may be switched off, or its text damaged."""
    given: dict[str, Any] = {"dspy.compile.id": CID, "dspy.dataset.role": "train", "dspy.dataset.id": "d"}
    content = {} if rows is None else {"dspy.dataset.rows": rows}
    (dataset,) = mapped(span("dataset", given | content))
    assert isinstance(dataset, LogDataset)
    assert (dataset.name, dataset.size, dataset.fields) == ("train", None, ())


def test_a_dataset_of_an_evaluation() -> None:
    """Inside a compile it is the compile's own, logged already; alone it is an input of the evaluation's run."""
    given: dict[str, Any] = {
        "dspy.dataset.role": "evaluation",
        "dspy.dataset.id": "d",
        "dspy.dataset.name": "devset",
        "dspy.dataset.rows": '[{"question": "1+1"}]',
    }
    assert mapped(span("dataset", {**given, "dspy.compile.id": CID})) == []
    run = EvaluateRun(TRACE, "root")
    expected = [
        LogDataset(
            key=f"{TRACE}/root/dataset/evaluation",
            run=run,
            name="devset",
            digest="d",
            role="evaluation",
            fields=(),
            size=None,
            start_ms=1000,
        ),
        LogTable(
            key=f"{TRACE}/root/table/evaluation",
            run=run,
            path="evalset.json",
            columns=["question"],
            rows=[["1+1"]],
            start_ms=1000,
        ),
    ]
    assert mapped(span("dataset", given), ALONE) == expected
    assert mapped(span("dataset", given, parent_id=None), ALONE) == []
    assert mapped(span("dataset", given), ALONE, Options(log_traces=False, log_evals=False)) == []
    users = mapped(span("dataset", given), replace(ALONE, user_run="u"))
    assert [getattr(operation, "run", None) for operation in users] == [UserRun("u"), UserRun("u")]


def test_a_dataset_of_an_evaluation_that_an_example_makes() -> None:
    """It is of no run, neither of one of its own nor of the user's."""
    attributes: dict[str, Any] = {
        "dspy.dataset.role": "evaluation",
        "dspy.dataset.id": "d",
        "dspy.dataset.rows": "[{}]",
    }
    alone = span("dataset", attributes, trace_id=TRACE, parent_id="e")
    assert mapped(alone, ALONE)
    inner = span("dataset", attributes | {"dspy.evaluate.within_example": True}, trace_id=TRACE, parent_id="e")
    assert mapped(inner, ALONE) == mapped(inner, replace(ALONE, user_run="u")) == []
