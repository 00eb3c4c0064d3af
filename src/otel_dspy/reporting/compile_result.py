"""Records of a finished optimization: `Compile`, its trials, programs and results by example."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from otel_dspy.reporting.trials.trial_row import ModelUse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from otel_dspy.reporting.trials.trial_row import TrialRow


@dataclass(frozen=True)
class Example:
    """An example of the set that trials are scored on."""

    id: str
    """Position of the example in that set, from 0."""
    inputs: Mapping[str, object] = field(default_factory=dict[str, object])
    """Empty if the content was not recorded."""
    labels: Mapping[str, object] = field(default_factory=dict[str, object])
    """Fields that the program predicts too: what it should have returned."""


@dataclass(frozen=True)
class ExampleResult:
    """Result of one example in one trial."""

    example: str
    """`Example.id`."""
    score: float
    """The metric's value; 0 for an example that failed."""
    prediction: Mapping[str, object] = field(default_factory=dict[str, object])
    error: str | None = None
    """Type of the exception of a failed example, with its message if that was recorded."""
    feedback: str | None = None


@dataclass(frozen=True)
class Predictor:
    """What an optimizer chooses of one predictor."""

    name: str
    instructions: str
    demos: tuple[Mapping[str, object], ...] = ()


@dataclass(frozen=True)
class CallUse:
    """Calls of the language model that the program uses, in one trial."""

    calls: int
    cached: int
    """Calls that DSPy's cache answered, without tokens."""
    input_tokens: int
    output_tokens: int
    cost: float | None = None
    unpriced_calls: int = 0


@dataclass(frozen=True)
class CallForecast:
    """Number of language model calls that was forecast at the start."""

    low: int
    high: int | None
    """None: there is no bound."""


@dataclass(frozen=True)
class Phase:
    """A named phase; times in seconds, the start after that of the optimization."""

    name: str
    started: float
    seconds: float


@dataclass(frozen=True)
class Trial:
    """A trial: its row of the trials table, and further data."""

    row: TrialRow
    results: tuple[ExampleResult, ...] = ()
    """Results on the set that trials are scored on, or on the part of it that a minibatch has."""
    program: tuple[Predictor, ...] = ()
    """Empty if the program was not recorded."""
    run_id: str | None = None
    reason: str | None = None
    """Why an optimizer rejected the candidate, in its own words."""
    error: str | None = None
    """Type of the exception that ended the trial, with its message if that was recorded."""
    measures: Mapping[str, float] = field(default_factory=dict[str, float])
    started: float | None = None
    """Seconds after the start of the optimization."""
    program_id: str | None = None
    parent_ids: tuple[str, ...] = ()
    """Ids of the programs that its program was derived from."""
    task: CallUse | None = None
    """Usage without that of proposing, reflecting and judging models; None if it was not recorded."""
    roles: Mapping[str, ModelUse] = field(default_factory=dict[str, ModelUse])
    """Usage by role; empty if it was not recorded."""

    @property
    def scores(self) -> dict[str, float]:
        """Scores by example id."""
        return {result.example: result.score for result in self.results}

    @property
    def is_full(self) -> bool:
        """Whether it is complete, with a score over the whole validation set."""
        return self.row.state == "complete" and self.row.scope == "full" and self.row.score is not None

    @property
    def has_no_finite_score(self) -> bool:
        """Whether its score over the whole validation set is NaN or infinite.

        The record has these as no score, but with a unit, which a trial that was not scored lacks.
        """
        row = self.row
        unscored = (row.state, row.scope, row.score, row.failure) == ("complete", "full", None, None)
        return unscored and row.unit is not None


@dataclass(frozen=True)
class Candidates:
    """What the trials choose from, by predictor: a trial's parameter is an index into these."""

    instructions: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, "tuple[str, ...]"])
    demos: Mapping[str, tuple[int, ...]] = field(default_factory=dict[str, "tuple[int, ...]"])
    """Number of demos in each set."""


@dataclass(frozen=True)
class Compile:
    """A recorded optimization. Scores are in `unit`, cost in USD, durations in seconds."""

    run_id: str
    optimizer: str
    program: str
    metric: str | None
    unit: str | None
    """`percent` (0-100) or `ratio`."""
    initial_score: float | None
    best_score: float | None
    best_trial: int | None
    """Index of the trial whose program the optimizer returned; None if no trial has it."""
    duration: float
    status: str = "FINISHED"
    """Status of the run in MLflow."""
    tracking_uri: str = ""
    """Without passwords; empty in a process of MLflow's server, whose own address clients do not use."""
    experiment_id: str = ""
    error: str | None = None
    """Type of the exception that ended the compile, with its message if that was recorded."""
    stop_reason: str | None = None
    """Why the run was ended as KILLED without the end of the compile: its process exited."""
    ended_phases: frozenset[str] = frozenset()
    """Names of the phases outside of trials that have ended."""
    parameters: Mapping[str, object] = field(default_factory=dict[str, object])
    usage: ModelUse = field(default_factory=ModelUse)
    usage_by_role: Mapping[str, ModelUse] = field(default_factory=dict[str, ModelUse])
    usage_by_model: Mapping[str, ModelUse] = field(default_factory=dict[str, ModelUse])
    examples: tuple[Example, ...] = ()
    """The set that trials are scored on, by position; only ids if the content was not recorded."""
    scored_on: Literal["validation", "training"] = "validation"
    """`training` if the optimizer had no other examples; `examples` are the training set then, scored or not."""
    validation_digest: str | None = None
    """Digest of `examples` in order; None if it was not recorded."""
    trials: tuple[Trial, ...] = ()
    """In the order of their indices."""
    missing_trials: int = 0
    """Number of trials of an ended optimization whose spans have not been received."""
    initial_program: tuple[Predictor, ...] = ()
    best_program: tuple[Predictor, ...] = ()
    candidates: Candidates = field(default_factory=Candidates)
    phases: tuple[Phase, ...] = ()
    forecast: Mapping[str | None, CallForecast] = field(default_factory=dict["str | None", CallForecast])
    """Forecast calls by role. The key None is for all roles together, except the metric's."""
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    """Versions of Python and of libraries, by name, as DSPy saves them with a program."""

    @property
    def start(self) -> Trial | None:
        """The trial of the initial program: the baseline, else the first full one of the same program; None without."""
        scored = [trial for trial in self.trials if trial.row.score is not None]
        baselines = [trial for trial in scored if trial.row.kind == "baseline"]
        same = [trial for trial in scored if trial.is_full and trial.program and trial.program == self.initial_program]
        return next(iter([*baselines, *same]), None)

    @property
    def winner(self) -> Trial | None:
        """The trial whose program the optimizer returned."""
        return next((trial for trial in self.trials if trial.row.index == self.best_trial), None)

    @property
    def winning_program(self) -> tuple[Predictor, ...]:
        """The best program; that of the best trial so far while the optimization runs. Empty if it is not recorded."""
        return self.best_program or (self.winner.program if self.winner is not None else ())

    @property
    def scored_set(self) -> str:
        """The set that trials are scored on: `validation set` or `training set`."""
        return f"{self.scored_on} set"

    @property
    def has_content(self) -> bool:
        """Whether the inputs of the examples were recorded."""
        return any(example.inputs for example in self.examples)
