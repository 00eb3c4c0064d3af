"""Demo run: model, data, one call of `autolog`, optimization, table of trials."""

from __future__ import annotations

import os
import shlex
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from otel_dspy.demo.activation import activation
from otel_dspy.demo.output_suppression import quiet
from otel_dspy.demo.readiness import check_memory, check_packages
from otel_dspy.environment.variable_names import PROGRESS

_DATA_SEED = 1
"""Seed of the tweet sample, so that it is always the same."""

if TYPE_CHECKING:
    from collections.abc import Generator

    from opentelemetry.sdk.trace import SpanProcessor
    from rich.console import Console

    from otel_dspy.demo.options import DemoOptions


def run_demo(options: DemoOptions) -> None:
    """Run the demo and print its progress and results to standard output.

    Raises:
        otel_dspy.demo.readiness.DemoCannotRunError: This machine lacks packages or memory.
        Exception: The optimization failed; results so far are in the store.
    """
    check_packages(local_model=options.lm is None)
    if options.lm is None:
        check_memory()
        # Keeps DSPy from fetching prices over the network; the local model has none.
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    from otel_dspy.reporting.rich_classes import Console  # noqa: PLC0415 - rich is checked above

    console = Console(file=sys.stdout)  # the current one, also while it is redirected
    with quiet(verbose=options.verbose):
        # Imported here: slow, optional, and they print on import.
        from otel_dspy.demo.model import demo_model  # noqa: PLC0415 - see above
        from otel_dspy.demo.store import EXPERIMENT, prepare_store  # noqa: PLC0415 - see above
        from otel_dspy.demo.task import as_examples, learnt, optimize, using  # noqa: PLC0415 - see above
        from otel_dspy.demo.tweets import sample_tweets  # noqa: PLC0415 - see above
        from otel_dspy.mlflow.tracking.runs import report_observers  # noqa: PLC0415 - see above
        from otel_dspy.reporting.terminal.compile_lines import result_text  # noqa: PLC0415 - see above
        from otel_dspy.reporting.terminal.live_progress import live_progress  # noqa: PLC0415 - see above
        from otel_dspy.reporting.terminal.trials_table import trials_table  # noqa: PLC0415 - see above

        store = prepare_store(options.store)
        console.print(f"Recording in {store.tracking_uri}, experiment {EXPERIMENT!r}.", highlight=False, soft_wrap=True)
        _print_activation(console)
        console.print("Look at it, even while it runs, with:", highlight=False)
        console.print(f"  {store.open_with}\n", highlight=False, soft_wrap=True, style="bold")
        verdicts = _Verdicts()
        report_observers.add_observer(verdicts)
        examples = as_examples(sample_tweets(options.examples, seed=_DATA_SEED))
        with (
            live_progress(console) as watch,
            demo_model(options) as model,
            _recorded(store.tracking_uri, EXPERIMENT, watch),
            using(model.lm, model.adapter),
        ):
            program = optimize(
                options.optimizer,
                train=examples[: options.examples],
                validation=examples[options.examples :],
                trials=options.trials,
                threads=model.threads,
            )
        view = watch.view
        if view is not None:
            usage = None if view.result is None else view.result.usage
            title = f"{view.optimizer} on {view.program}"
            console.print(trials_table(view.trials, title=title, usage=usage, width=console.width))
            if view.result is not None:
                console.print(f"\n{result_text(view, view.result)}", markup=False, highlight=False, soft_wrap=True)
            verdict = verdicts.by_compile.get(view.compile_id)
            if verdict is not None:
                console.print(verdict, markup=False, highlight=False, soft_wrap=True)
        best = learnt(program)
        summary = f"The best program: {best.instruction!r}, shown {best.shown_examples} examples."
        console.print(summary, markup=False, highlight=False, soft_wrap=True)
        _print_activation(console)
        console.print("What changed, and which examples flipped, is in the report:", highlight=False)
        report = f"otel-dspy report --tracking-uri {shlex.quote(store.tracking_uri)}"
        console.print(f"  {report}", highlight=False, soft_wrap=True, style="bold")
        console.print("Runs, programs, tweets and traces are in MLflow:", highlight=False)
        console.print(f"  {store.open_with}", highlight=False, soft_wrap=True, style="bold")


def _print_activation(console: Console) -> None:
    """Print how to make the commands available that follow, if a shell does not find them."""
    command = activation()
    if command is not None:
        console.print("The commands below are those of the demo's environment. Activate it first:", highlight=False)
        console.print(f"  {command}", highlight=False, soft_wrap=True, style="bold")


class _Verdicts:
    """Collects the results of the tests of chance; see `report_observers.ReportObserver`."""

    def __init__(self) -> None:
        self.by_compile: dict[str, str | None] = {}

    def report_written(self, compile_id: str, verdict: str | None) -> None:
        """Keep the sentence of the report on a compile."""
        self.by_compile[compile_id] = verdict


@contextmanager
def _recorded(tracking_uri: str, experiment: str, watch: SpanProcessor) -> Generator[None]:
    """Record DSPy in MLflow while the block runs, pass its spans to `watch`, and flush at the end."""
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 - as optional as the rest

    import otel_dspy.mlflow  # noqa: PLC0415 - MLflow takes seconds to import
    from otel_dspy import DSPyInstrumentor  # noqa: PLC0415 - so does DSPy

    with _without_progress():
        otel_dspy.mlflow.autolog(tracking_uri=tracking_uri, experiment=experiment)
    provider = DSPyInstrumentor().tracer_provider
    if isinstance(provider, TracerProvider):
        provider.add_span_processor(watch)
    try:
        yield
    finally:
        otel_dspy.mlflow.autolog(disable=True)  # flushes


@contextmanager
def _without_progress() -> Generator[None]:
    """Keep `autolog` from showing progress, which would be the same as the demo's own lines."""
    before = os.environ.get(PROGRESS)
    os.environ[PROGRESS] = "off"
    try:
        yield
    finally:
        if before is None:
            del os.environ[PROGRESS]
        else:
            os.environ[PROGRESS] = before
