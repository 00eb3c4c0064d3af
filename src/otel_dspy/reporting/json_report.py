"""The report as data."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from otel_dspy.reporting.comparison.json_comparison import json_text
from otel_dspy.reporting.sections.answers_outside_labels import answers_outside_labels
from otel_dspy.reporting.sections.choices import choices
from otel_dspy.reporting.sections.cost import cost
from otel_dspy.reporting.sections.forecast import forecast
from otel_dspy.reporting.sections.hard_cases import hard_cases
from otel_dspy.reporting.sections.lineage import lineage
from otel_dspy.reporting.sections.production import production
from otel_dspy.reporting.sections.prompts.changed_parts import changed_parts
from otel_dspy.reporting.sections.result.gains import gains
from otel_dspy.reporting.sections.result.repeated_programs import repeated_programs
from otel_dspy.reporting.sections.timeline import timeline
from otel_dspy.reporting.trials.trial_line import choice_text

if TYPE_CHECKING:
    from otel_dspy.reporting.comparison.run_comparison import RunsComparison
    from otel_dspy.reporting.compile_result import Compile, Predictor, Trial
    from otel_dspy.reporting.sections.choices import Choices
    from otel_dspy.reporting.sections.hard_cases import HardCases
    from otel_dspy.reporting.sections.lineage_records import Lineage
    from otel_dspy.reporting.sections.production import Production
    from otel_dspy.reporting.sections.prompts.changed_parts import ChangedParts
    from otel_dspy.reporting.sections.result.gains import Gains
    from otel_dspy.reporting.sections.result.verdict import Verdict
    from otel_dspy.reporting.sections.timeline import Timeline


def json_report(found: Compile, judged: Verdict, against: RunsComparison | None = None) -> str:
    """Return verdict, trials and sections as a JSON object; scores in `unit`, cost in USD, durations in seconds.

    Args:
        found: the optimization.
        judged: its verdict.
        against: its comparison with another optimization.
    """
    spent = cost(found)
    return json.dumps(
        {
            "run_id": found.run_id,
            "tracking_uri": found.tracking_uri,
            "optimizer": found.optimizer,
            "program": found.program,
            "metric": found.metric,
            "scored_on": found.scored_on,
            "status": found.status,
            "error": found.error,
            "unit": found.unit,
            "initial_score": found.initial_score,
            "best_score": found.best_score,
            "best_trial": found.best_trial,
            "duration": found.duration,
            "usage": found.usage.as_json(),
            "usage_by_role": {part.name: {**part.use.as_json(), "models": list(part.models)} for part in spent.roles},
            "usage_by_model": {model: use.as_json() for model, use in found.usage_by_model.items()},
            "usage_outside_trials": {**spent.outside.as_json(), "text": spent.outside_text},
            "unpriced_models": list(spent.unpriced),
            "verdict": asdict(judged),
            "trials": [_trial(trial) for trial in found.trials],
            "repeated_programs": [asdict(one) for one in repeated_programs(found)],
            "gains": _data(gains(found)),
            "changed_parts": _data(changed_parts(found)),
            "off_label": [asdict(one) for one in answers_outside_labels(found)],
            "choices": _data(choices(found)),
            "programs": {"start": _program(found.initial_program), "winner": _program(found.best_program)},
            "lineage": _data(lineage(found)),
            "hard_cases": _data(hard_cases(found)),
            "forecast": [asdict(line) for line in forecast(found)],
            "production": _data(production(found)),
            "timeline": _data(timeline(found)),
            "against": None if against is None else json.loads(json_text(against)),
            "versions": dict(found.versions),
        },
        indent=2,
        ensure_ascii=False,
        default=str,
    )


def _program(program: tuple[Predictor, ...]) -> dict[str, Any]:
    return {
        one.name: {"instructions": one.instructions, "demos": [dict(demo) for demo in one.demos]} for one in program
    }


def _data(
    section: Gains | ChangedParts | Choices | Lineage | HardCases | Production | Timeline | None,
) -> dict[str, Any] | None:
    return None if section is None else asdict(section)


def _trial(trial: Trial) -> dict[str, Any]:
    row = trial.row
    return {
        "index": row.index,
        "choice": choice_text(row),
        "kind": row.kind,
        "state": row.state,
        "scope": row.scope,
        "score": row.score,
        "n": len(trial.results),
        "parameters": dict(row.parameters),
        "run_id": trial.run_id,
        "reason": trial.reason,
        "error": trial.error,
        "tokens": row.use.tokens if row.observed else None,
        "cost": row.cost,
        "seconds": row.seconds,
    }
