"""Checks of an optimization against a baseline: status, score and cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_dspy.formatting.counted_nouns import counted
from otel_dspy.formatting.trial_values import error_text, score_value_text
from otel_dspy.reporting.comparison.comparison_verdict import evidence
from otel_dspy.reporting.comparison.run_figures import points, run_figures, run_name
from otel_dspy.reporting.comparison.winner_comparison import compare_examples
from otel_dspy.reporting.gating.gate_status import EXIT_STATUS
from otel_dspy.reporting.number_text import UNOBSERVED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from otel_dspy.reporting.comparison.run_figures import RunFigures
    from otel_dspy.reporting.comparison.winner_comparison import ExampleComparison
    from otel_dspy.reporting.compile_result import Compile
    from otel_dspy.reporting.gating.gate_status import Status
    from otel_dspy.reporting.statistics.significance import PairedTest

WORDS: Final[dict[Status, str]] = {"pass": "passed", "fail": "failed", "unknown": "cannot be judged"}
MIN_EXAMPLES: Final = 6
"""With fewer examples no result of the test is below 0.05."""


@dataclass(frozen=True)
class Limits:
    """What is allowed."""

    max_drop: float = 2.0
    """Points that the score may be below the baseline's."""
    max_cost: float | None = None
    """USD that the optimization may cost; None for any."""
    strict: bool = False
    """Whether a larger drop fails even if it may be noise."""


@dataclass(frozen=True)
class Check:
    """Result of a check of a run against its baseline."""

    name: str
    status: Status
    message: str
    value: float | None = None
    """Measured value: points below the baseline, or USD."""
    limit: float | None = None


@dataclass(frozen=True)
class GateResult:
    """Results of all checks of a run."""

    checks: tuple[Check, ...]
    run: RunFigures | None = None
    """None if the run could not be read."""
    baseline: RunFigures | None = None
    test: PairedTest | None = None

    @property
    def status(self) -> Status:
        """`fail` if a check failed, else `unknown` if one cannot be judged, else `pass`."""
        found = {check.status for check in self.checks}
        return "fail" if "fail" in found else "unknown" if "unknown" in found else "pass"

    @property
    def exit_status(self) -> int:
        """0: passed. 1: failed. 2: cannot be judged."""
        return EXIT_STATUS[self.status]

    @property
    def line(self) -> str:
        """The result in one line; checks that did not pass come first."""
        ordered = sorted(self.checks, key=lambda check: ("fail", "unknown", "pass").index(check.status))
        name = f"{self.run.name}, " if self.run is not None else ""
        return f"{WORDS[self.status]}: {name}{'; '.join(check.message for check in ordered)}"


def unreadable(reason: str) -> GateResult:
    """Return the result of runs that cannot be read."""
    return GateResult((Check("runs", "unknown", reason),))


def checked(run: Compile, baseline: Compile, limits: Limits) -> GateResult:
    """Check a run against the baseline.

    Args:
        run: the optimization that is checked.
        baseline: the one that it is compared with.
        limits: what is allowed.
    """
    compared = compare_examples(baseline, run)
    return GateResult(
        (*_ended(run, baseline), _score(run, baseline, compared, limits), *_cost(run, limits)),
        run_figures(run),
        run_figures(baseline),
        compared.test,
    )


def _ended(run: Compile, baseline: Compile) -> Iterator[Check]:
    for found in {one.run_id: one for one in (run, baseline)}.values():  # a run may be its own baseline
        if found.status == "RUNNING":
            yield Check("status", "unknown", f"{run_name(found)} is running")
    if run.status not in {"FINISHED", "RUNNING"}:
        cause = run.status if run.error is None else error_text(run.error)
        yield Check("status", "fail", f"the optimization was not completed ({cause})")


def _score(run: Compile, baseline: Compile, compared: ExampleComparison, limits: Limits) -> Check:
    def check(status: Status, message: str, drop: float | None = None) -> Check:
        return Check("score", status, message, drop, limits.max_drop)

    for one in (run, baseline):
        if not _has_score(one):
            return check("unknown", f"{run_name(one)} has no score: it is not a finite number, or not recorded")
    drop = _drop(run, baseline, compared)
    if drop is None:
        return check("unknown", f"the scores cannot be compared with {run_name(baseline)}: {compared.missing}")
    if run.run_id == baseline.run_id:
        score = score_value_text(points(run.best_score, run.unit), "percent")
        return check("pass", f"score {score}, compared with itself: the baseline is the same run", drop)
    best, base = (score_value_text(points(one.best_score, one.unit), "percent") for one in (run, baseline))
    distance = f"{abs(drop):.1f} points {'below' if drop > 0 else 'above'}" if round(drop, 1) else "as high as"
    message = f"score {best}, {distance} that of {run_name(baseline)}, {base}"
    test = compared.test
    if test is not None and compared.pairing.difference:
        message += f" ({compared.pairing.difference}; the distance is that on {counted(test.n, 'example')})"
    if drop <= limits.max_drop:
        return check("pass", message, drop)
    status, reason = ("fail", "") if limits.strict else _larger_drop(compared)
    return check(status, f"{message}, more than the {limits.max_drop:g} allowed{reason}", drop)


def _has_score(found: Compile) -> bool:
    """Return whether the winner was scored: the mean is NaN where the metric returned it for an example."""
    return found.best_score is not None or (found.winner is not None and found.winner.row.score is not None)


def _larger_drop(compared: ExampleComparison) -> tuple[Status, str]:
    """Return what a drop above the limit is: a failure only if it is more than noise."""
    test = compared.test
    if test is None:
        return "unknown", f", and whether that is noise is not known: {compared.missing}"
    if test.significant:
        return "fail", f": {evidence(test)}"
    if test.n < MIN_EXAMPLES:
        return "unknown", f", and {counted(test.n, 'example')} are too few for a test: {MIN_EXAMPLES} are needed"
    return "pass", f", but that is noise: {evidence(test)}"


def _drop(run: Compile, baseline: Compile, compared: ExampleComparison) -> float | None:
    """Return the points below the baseline on the same examples; None if there are none."""
    if compared.test is not None:
        return -compared.test.difference * 100
    best, base = points(run.best_score, run.unit), points(baseline.best_score, baseline.unit)
    if compared.pairing.method != "digest" or run.metric != baseline.metric or best is None or base is None:
        return None
    return base - best


def _cost(run: Compile, limits: Limits) -> Sequence[Check]:
    if limits.max_cost is None:
        return ()
    cost, limit = run.usage.cost, limits.max_cost
    if cost is not None and cost > limit:
        return (Check("cost", "fail", f"cost ${cost:.4f}, more than the ${limit:.4f} allowed", cost, limit),)
    if cost is None or run.usage.unpriced_calls:
        calls = counted(run.usage.unpriced_calls or run.usage.calls, "call")
        reason = f"{calls} without a price" if run.usage.observed else UNOBSERVED
        return (Check("cost", "unknown", f"the cost is not known: {reason}", cost, limit),)
    return (Check("cost", "pass", f"cost ${cost:.4f} of ${limit:.4f}", cost, limit),)
