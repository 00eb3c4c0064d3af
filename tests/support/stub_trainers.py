"""Stub training providers whose jobs end at once and rename the model."""

from __future__ import annotations

import itertools
from typing import Any

from dspy.clients.provider import Provider, ReinforceJob, TrainingJob
from typing_extensions import override


class StubFinetuning(Provider):
    """Fine-tunes by name; raises `failure` in the job's thread where one is given."""

    def __init__(self, failure: Exception | None = None) -> None:
        super().__init__()
        self.finetunable = True
        numbers = itertools.count(1)

        class Job(TrainingJob):
            """A job that knows which one it is: jobs run side by side."""

            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                self.number = next(numbers)

            @override
            def status(self) -> str:
                return "done" if self.done() else "running"

            @override
            def set_result(self, result: Any) -> None:
                if not self.cancelled():  # the future would raise, on DSPy's thread
                    super().set_result(result)

        self.TrainingJob = Job
        self.failure = failure
        self.jobs: list[dict[str, Any]] = []

    def finetune(  # pyright: ignore[reportIncompatibleMethodOverride] - a static method there; DSPy calls it on the provider
        self, job: Any, model: str, train_data: list[Any], train_data_format: Any, train_kwargs: Any = None
    ) -> str:
        """The new model's name."""
        if self.failure is not None:
            raise self.failure
        self.jobs.append({"model": model, "data": train_data, "format": train_data_format, "kwargs": train_kwargs})
        return f"{model}-tuned-{job.number}"


class CancelledFinetuning(StubFinetuning):
    """Cancels each job before it has a model."""

    @override
    def finetune(
        self, job: Any, model: str, train_data: list[Any], train_data_format: Any, train_kwargs: Any = None
    ) -> str:
        job.cancel()
        return model


class StubReinforceJob(ReinforceJob):
    """Takes each batch, and after each gives the model the next name."""

    @override
    def initialize(self) -> None:
        self.batches: list[Any] = []
        self.terminated = False
        self._base = self.lm.model

    @override
    def step(self, train_data: list[Any], train_data_format: Any = None) -> None:
        self.batches.append(train_data)
        self.lm.model = f"{self._base}-step-{len(self.batches)}"

    @override
    def terminate(self) -> None:
        self.terminated = True

    @override
    def save_checkpoint(self, checkpoint_name: str) -> None:
        raise NotImplementedError

    def update_model(self) -> None:
        """Asked for by DSPy 2.6 alone; each step has done it."""

    def get_status(self) -> dict[str, Any]:
        """One batch is wanted for each that was taken, and one more."""
        return {"pending_batch_ids": list(range(len(self.batches) + 1))}


class StubReinforcement(Provider):
    """Trains step by step. `breaks_at`: the batch, from 0, at which the trainer raises."""

    def __init__(self, breaks_at: int | None = None, error: BaseException | None = None) -> None:
        super().__init__()
        self.reinforceable = True
        made = self.made = list[StubReinforceJob]()
        failure = error or RuntimeError("the trainer broke")

        class Job(StubReinforceJob):
            @override
            def initialize(self) -> None:
                super().initialize()
                made.append(self)

            @override
            def step(self, train_data: list[Any], train_data_format: Any = None) -> None:
                if len(self.batches) == breaks_at:
                    raise failure
                super().step(train_data, train_data_format)

        self.ReinforceJob = Job
