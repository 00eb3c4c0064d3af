"""Mapping of datasets to inputs of runs and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_dspy.mlflow.mapping import naming
from otel_dspy.mlflow.mapping.artifacts import tables
from otel_dspy.mlflow.mapping.context import compile_run, evaluate_run
from otel_dspy.mlflow.mapping.operations import LogDataset, LogTable
from otel_dspy.mlflow.mapping.runs.evaluation_datasets import evaluation_dataset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from otel_dspy.mlflow.mapping.operations import Operation
    from otel_dspy.mlflow.mapping.run_keys import RunKey
    from otel_dspy.mlflow.records.route import Options, TraceContext
    from otel_dspy.mlflow.records.span_records import DatasetRecord

TABLE_NAMES = {"train": "trainset.json", "validation": "valset.json", "evaluation": "evalset.json"}


def dataset_operations(dataset: DatasetRecord, options: Options, context: TraceContext) -> Iterator[Operation]:
    """Log a dataset input and its table. Datasets of evaluations inside a compile are the compile's own.

    Those of evaluations that an example makes are of no run.

    Args:
        dataset: the decoded `dataset` span.
        options: the options of `autolog`.
        context: the trace that the span is logged in.
    """
    if dataset.within_example:
        return
    span = dataset.span
    run: RunKey | None
    if dataset.compile_id is not None:
        if dataset.role == "evaluation":
            return
        run, owner = compile_run(options, dataset.compile_id), dataset.compile_id
    else:
        run = evaluate_run(options, context, (span.trace_id, span.parent_id) if span.parent_id else None)
        owner = f"{span.trace_id}/{span.parent_id}"
    if run is None:
        return
    # The store ignores a second input of the same name and digest, so a dataset that is used twice has two names.
    name = dataset.name if dataset.role != "validation" or dataset.name != "trainset" else "valset"
    yield LogDataset(
        key=f"{owner}/dataset/{dataset.role}",
        run=run,
        name=name,
        digest=dataset.dataset_id[: naming.MAX_DIGEST],
        role=dataset.role,
        fields=dataset.fields,
        size=dataset.size,
        start_ms=span.start_ms,
    )
    found = tables.rows(dataset.rows)
    if found is not None:
        columns, data = tables.dataset_table(dataset.fields, found)
        path = TABLE_NAMES.get(dataset.role, f"{naming.key(dataset.role)}set.json")
        yield LogTable(
            key=f"{owner}/table/{dataset.role}",
            run=run,
            path=path,
            columns=columns,
            rows=data,
            start_ms=span.start_ms,
        )
        if options.log_evaluation_datasets and dataset.compile_id is not None:
            yield from evaluation_dataset(dataset, name, found)
